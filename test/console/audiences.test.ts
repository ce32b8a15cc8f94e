import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk, type Desk } from './stage.ts'

const hostile = '<b>x</b> "\u05e9\u05dc\u05d5\u05dd" 🐕'

/** Three people with a dog, of whom two are also in Bern. */
async function townOf({ platform }: Desk): Promise<void> {
  const people = ['ann', 'ben', 'cem', 'dan'].map((user, i) => ({
    user,
    attributes: { has_dog: i < 3, city: i < 2 ? 'Bern' : 'Basel', motto: `\u202e${hostile}` },
  }))
  for (const report of people) await platform.merge(report)
}

const has = (attribute: string, value: string | boolean) => ({
  ...{ operator: 'equals', attribute, value },
})

it('builds a rule, which counts itself, and says the same as JSON', async () => {
  const desk = await newDesk()
  await townOf(desk)
  await desk.platform.define({
    ...{ id: 'household', description: 'x', source_user_attribute: 'address' },
    attributes: [{ id: 'has_dog', type: 'boolean_or' }],
  })
  const page = await desk.open('/console/audiences')
  await page.getByText('There is no audience yet').waitFor()
  await page.getByRole('link', { name: 'New audience' }).click()
  await page.getByLabel('Name').fill(hostile)
  await page.getByLabel('Attribute of condition 1').fill('has_dog')
  await page.getByLabel('Kind of the value of condition 1').selectOption('yes or no')
  const matches = page.locator('#matches')
  await matches.getByText('3 users match').waitFor()
  expect(await matches.textContent()).toContain('ann, ben, cem')
  await page.getByRole('button', { name: 'Add a condition' }).click()
  const focused = await page.evaluate<string>('document.activeElement.ariaLabel')
  expect(focused).toBe('Kind of condition 2')
  await page.getByLabel('Comparison of condition 2').focus()
  await page.keyboard.press('ArrowDown')
  expect(await page.getByLabel('Comparison of condition 2').inputValue()).toBe('not_equals')
  await page.keyboard.press('ArrowUp')
  expect(await page.evaluate('document.activeElement.ariaLabel')).toBe('Comparison of condition 2')
  await page.getByLabel('Attribute of condition 2').fill('city')
  await page.getByLabel('Value of condition 2', { exact: true }).fill('Bern')
  await matches.getByText('2 users match').waitFor()
  const rule = { operator: 'and', expressions: [has('has_dog', true), has('city', 'Bern')] }
  expect(JSON.parse(await page.getByLabel('The rule as JSON').inputValue())).toEqual(rule)
  expect(await barriers(page)).toEqual([])

  // Typed as JSON, the builder shows it; a value keeps all of its digits.
  const big =
    '{"operator":"or","expressions":[{"operator":"equals","attribute":"n","value":90071992547409931}]}'
  await page.getByLabel('The rule as JSON').fill(big)
  expect(await page.getByLabel('Value of condition 1', { exact: true }).inputValue()).toBe(
    '90071992547409931',
  )
  await page.getByLabel('Kind of condition 1').selectOption('for any member of the')
  expect(await page.getByLabel('The rule as JSON').inputValue()).toContain('"group": "household"')
  expect(await page.getByLabel('The rule as JSON').inputValue()).toContain('90071992547409931')
  await page.getByLabel('The rule as JSON').fill('{"operator":')
  await page.getByText('The JSON is not complete').waitFor()
  await matches.getByText('is no JSON yet').waitFor()
  await page.getByLabel('The rule as JSON').fill(JSON.stringify(rule))
  await page.getByRole('button', { name: 'Create the audience' }).click()
  await page.getByRole('heading', { name: 'x', level: 1 }).waitFor()
  expect(await page.locator('h1').textContent()).toBe(hostile)
  expect(await page.locator('.rule').textContent()).toContain('has_dog is true')
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('says kindly what a rule costs too much, without JavaScript', async () => {
  const desk = await newDesk()
  await townOf(desk)
  const page = await desk.open('/console/audiences/-/new', {
    javaScriptEnabled: false,
    viewport: { width: 360, height: 740 },
  })
  await page.getByLabel('Name').fill('Dear')
  const pieces = Array.from({ length: 40 }, (_, i) => `a?b${i}`).join('*')
  const dear = { operator: 'matches', attribute: 'motto', value: `*${pieces}*` }
  const rule = page.getByLabel('The rule as JSON')
  await rule.fill(JSON.stringify({ operator: 'and', expressions: [has('has_dog', true), dear] }))
  await page.getByRole('button', { name: 'Create the audience' }).click()
  await page.getByRole('alert').getByText('Condition 2 takes the longest').waitFor()
  expect(await rule.inputValue()).toContain('a?b39')
  await rule.fill('{')
  await page.getByRole('button', { name: 'Count who matches' }).click()
  await page.getByRole('alert').getByText('is no JSON yet').waitFor()
  await rule.fill(JSON.stringify(has('has_dog', true)))
  await page.getByRole('button', { name: 'Count who matches' }).click()
  await page.locator('#matches').getByText('3 users match').waitFor()
  expect(await page.getByLabel('Name').inputValue()).toBe('Dear')
  const wide = await page.evaluate<number>('document.documentElement.scrollWidth')
  expect(wide).toBeLessThanOrEqual(360)
})

/** A desk with two audiences: of three and of two people, who are in both. */
async function deskOfTwo(): Promise<Desk> {
  const desk = await newDesk()
  await townOf(desk)
  const refresh = 'weekly' as const
  const dogs = { id: 'dogs', name: 'Dogs', rule: has('has_dog', true), refresh }
  await desk.platform.createAudience(dogs)
  const bern = { id: 'bern', name: hostile, rule: has('city', 'Bern'), refresh }
  await desk.platform.createAudience(bern)
  return desk
}

it('fills a group, and lets go of it', async () => {
  const desk = await deskOfTwo()
  const { groups } = desk
  const group = await groups.create(hostile)
  const page = await desk.open('/console/audiences/dogs', { colorScheme: 'dark' })
  await page.getByLabel('Group', { exact: true }).fill('nobody')
  await page.getByRole('button', { name: 'Attach to the group' }).click()
  await page.getByRole('alert').getByText('not the name of a group').waitFor()
  await page.getByLabel('Group', { exact: true }).fill(hostile)
  await page.getByRole('button', { name: 'Attach to the group' }).click()
  await page.getByText(/runs next on Monday.* at 03:00 UTC/).waitFor()
  await page.getByRole('button', { name: 'Sync now' }).click()
  await page.waitForURL('**/console/jobs/*')
  await groups.finished(page.url().split('/').at(-1) ?? '', 50)
  await page.goto('/console/audiences/dogs')
  expect(await page.getByRole('row').nth(1).textContent()).toContain('Published30')
  await desk.platform.merge({ user: 'dan', attributes: { has_dog: true } })
  await page.getByRole('button', { name: 'Preview a sync' }).click()
  await page.waitForURL('**/console/jobs/*')
  await page.goto('/console/audiences/dogs')
  await page.locator('#syncs').getByText('To be checked').waitFor()
  expect(await groups.participantCount(group)).toBe(3)
  expect(await barriers(page)).toEqual([])
  await page.goto('/console/audiences')
  expect(await page.getByRole('row', { name: /Dogs/ }).textContent()).toContain('every Monday')
  expect(await barriers(page)).toEqual([])
  await page.goto('/console/audiences/dogs')
  await page.getByRole('button', { name: 'Detach from the group' }).click()
  await page.getByText('It fills no group').waitFor()
  expect(await groups.participantCount(group)).toBe(3)
  expect(desk.complaints).toEqual([])
})

it('draws what two audiences have in common, lists one, and deletes it', async () => {
  const desk = await deskOfTwo()
  const page = await desk.open('/console/audiences/overlap')
  await page.getByLabel('One audience').selectOption('dogs')
  await page.getByLabel('Another').selectOption('bern')
  await page.getByRole('button', { name: 'Compare' }).click()
  const circles = 'Two circles: 3 and 2 users, 2 in both'
  await page.getByRole('img', { name: circles }).waitFor()
  expect(await barriers(page)).toEqual([])
  await page.goto('/console/audiences/dogs')
  await page.getByLabel('Id of a user').fill('dan')
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText('dan is not in it').waitFor()
  expect(await page.locator('ul.tree').textContent()).toBe('No has_dog is trueIt is false.')
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Id of a user').fill(hostile)
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText(`${hostile} is not in it: nobody is known by this id.`).waitFor()
  await page.goto('/console/audiences/dogs/users')
  await page.locator('#users').getByText('3 users').waitFor()
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'ben' }).click()
  await page.getByText('What is known of this person').waitFor()
  // A form of no page of ours deletes nothing; another workspace's audience is none.
  const form = { confirm: 'Dogs' }
  expect((await page.request.post('/console/audiences/dogs/delete', { form })).status()).toBe(403)
  const other = await (await newDesk()).open()
  expect((await other.goto('/console/audiences/dogs'))?.status()).toBe(404)
  await page.goto('/console/audiences/dogs')
  await page.getByLabel('Type its name').fill('Cats')
  await page.getByRole('button', { name: 'Delete the audience' }).click()
  await page.getByRole('alert').getByText('is not its name').waitFor()
  await page.getByLabel('Type its name').fill('Dogs')
  await page.getByRole('button', { name: 'Delete the audience' }).click()
  await page.waitForURL('**/console/audiences')
  expect(await page.getByText('Dogs').count()).toBe(0)
  expect(desk.complaints).toEqual([])
})

it('shows nobody more of audiences than the scopes do', async () => {
  const desk = await newDesk('Reader', ['audiences:read', 'groups:read'])
  const page = await desk.open('/console/audiences')
  expect(await page.getByRole('link', { name: 'New audience' }).count()).toBe(0)
  const refused = await page.goto('/console/audiences/-/new')
  expect(refused?.status()).toBe(403)
  for (const form of ['-/new', '-/count', 'x/edit', 'x/group', 'x/detach', 'x/sync', 'x/delete'])
    expect((await page.request.post(`/console/audiences/${form}`)).status()).toBe(403)
})
