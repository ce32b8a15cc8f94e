import { expect, it } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { barriers } from './axe.ts'
import { pageOf, recompute, settle } from './household-stage.ts'
import { newDesk, type Desk } from './stage.ts'

const without = (...left: string[]) => scopes.filter((scope) => !left.includes(scope))

async function join({ groups }: Desk, name: string, id: string): Promise<string> {
  const group = await groups.create(name)
  const content = [Buffer.from(`${id}\n`)]
  await groups.finished(await groups.upload(group, { type: 'ADD', name: 'a.csv', content }), 50)
  return group
}

it('looks Jane up, and explains what her household shares', async () => {
  const desk = await newDesk()
  await settle(desk)
  await recompute(desk)
  const group = await join(desk, 'Early access', 'jane')
  const variants = ['control', 'nudge'].map((id) => ({ id, weight: 5000, value: id }))
  const draft = { id: 'savings', name: 'Savings', group_id: group, variants, traffic: 10_000 }
  await desk.platform.createExperiment(draft)
  await desk.platform.startExperiment('savings')

  const page = await desk.open()
  await page.getByRole('link', { name: 'People' }).click()
  await page.getByLabel('Id of a person').waitFor()
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Id of a person').fill('jane')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'Early access' }).waitFor()
  const members = page.getByRole('region', { name: 'Members' })
  expect(await members.getByRole('rowheader').allTextContents()).toEqual(['jane', 'joe', 'mia'])
  const own = await page.getByRole('region', { name: 'Own attributes' }).textContent()
  expect(own).toContain('50000')
  expect(await barriers(page)).toEqual([])

  await page.getByRole('link', { name: 'Why? (household:income)' }).click()
  const tree = page.locator('ul.tree')
  expect(await tree.textContent()).toContain('The sum over the 3 members')
  const leaves = tree.locator('ul ul li')
  expect(await leaves.allTextContents()).toEqual([
    'jane: 50000 Counts',
    'joe: 45000 Counts',
    'mia: none Does not count: it is no number',
  ])
  expect(await barriers(page)).toEqual([])

  await page.getByRole('link', { name: 'Why? (Savings)' }).click()
  await page.locator('ol.checks').waitFor()
  const checks = await page.locator('ol.checks li').allTextContents()
  expect(checks.at(0)).toContain('The experiment is running')
  expect(checks.at(-1)).toMatch(/among the variants: (control|nudge) has/)
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('erases somebody whose id is typed, and shows what was removed', async () => {
  const desk = await newDesk()
  await settle(desk)
  await recompute(desk)
  await join(desk, 'Early access', 'jane')
  const page = await desk.open(pageOf('jane'))
  const numbers = '3 attributes, 1 place in a household and 1 membership of a group'
  expect(await page.locator('.danger-zone').textContent()).toContain(numbers)
  await page.getByLabel('Type the id').fill('joe')
  await page.getByRole('button', { name: 'Erase this person' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('is not the id')
  expect(await page.getByLabel('Type the id').inputValue()).toBe('joe')
  expect(await barriers(page)).toEqual([])

  await page.getByLabel('Type the id').fill('jane')
  await page.getByRole('button', { name: 'Erase this person' }).click()
  // By itself, as it ends.
  await page.getByText('Nothing is left but this receipt.').waitFor()
  const removed = await page.getByRole('region', { name: 'Removed' }).textContent()
  expect(removed).toContain('Attributes3')
  expect(removed).toContain('Memberships of groups1')
  expect(await page.content()).not.toContain('jane')
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'Erasures' }).click()
  await page.getByRole('heading', { level: 1, name: 'Erasures' }).waitFor()
  expect(await page.getByText('Complete', { exact: true }).count()).toBe(1)
  expect(await barriers(page)).toEqual([])
  await page.goto(pageOf('jane'))
  expect(await page.getByText('Nobody is known by this id').count()).toBe(1)
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('shows hostile ids and values as they are, on a phone, in the dark, without scripts', async () => {
  const desk = await newDesk()
  const id = '<b>&?#%2F+ "\u202eמשה 👩‍👩‍👧'
  const name = '<script>alert(1)</script>'
  await desk.platform.define({
    id: '"><i>?&',
    description: '<u>',
    source_user_attribute: name,
    attributes: [{ id: `${name}:'`, type: 'latest' }],
  })
  const long = `${'<img src=x onerror=alert(1)>'.repeat(140)}…`
  await desk.platform.merge({
    user: id,
    attributes: { [name]: long, [`${name}:'`]: '\u202eمرحبا', text: 'y'.repeat(4096) },
  })
  const run = await desk.platform.recompute(encodeURIComponent('"><i>?&'))
  await desk.platform.finished(encodeURIComponent('"><i>?&'), run.id, 50)

  const page = await desk.open('/console/people', {
    javaScriptEnabled: false,
    colorScheme: 'dark',
    viewport: { width: 360, height: 740 },
  })
  await page.getByLabel('Id of a person').fill(id)
  await page.getByRole('button', { name: 'Look up' }).click()
  await page.getByText('What is known of this person.').waitFor()
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe(id)
  expect(await page.locator('main :is(b, script, img, i, u)').count()).toBe(0)
  await page.getByRole('link', { name: 'All of it (text)' }).click()
  expect(await page.locator('pre').textContent()).toBe('y'.repeat(4096))
  await page.getByRole('link', { name: 'Why?' }).click()
  expect(await page.locator('ul.tree').textContent()).toContain(id)
  await page.getByRole('main').getByRole('link', { name: '"><i>?&', exact: true }).first().click()
  await page.getByRole('link', { name: 'all households' }).click()
  await page.getByRole('heading', { level: 1, name: 'All households' }).waitFor()
  await page.getByRole('region', { name: 'Households' }).getByRole('link').click()
  expect(await page.locator('pre').textContent()).toBe(long)
  expect(await page.locator('main :is(b, script, img, i, u)').count()).toBe(0)

  const seen = await desk.open(pageOf(id), {
    colorScheme: 'dark',
    viewport: { width: 360, height: 740 },
  })
  expect(await seen.evaluate('document.documentElement.scrollWidth')).toBe(360)
  expect(await barriers(seen)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('pages many attributes, and stays small with long ones', async () => {
  const desk = await newDesk()
  const long = 'z'.repeat(4000)
  const attributes = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a${i + 10}`, long]))
  await desk.platform.merge({ user: 'ann', attributes })
  const page = await desk.open(pageOf('ann'))
  const own = page.getByRole('region', { name: 'Own attributes' }).getByRole('rowheader')
  expect(await own.count()).toBe(50)
  const assets = ['css', 'js'].map((type) => `/console/assets/console.${type}`)
  const parts = await Promise.all(
    [pageOf('ann'), ...assets].map(async (path) => (await page.request.get(path)).body()),
  )
  expect(parts.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(60_000)
  await page.getByRole('link', { name: 'Next', exact: true }).click()
  await page.getByText('51 to 60 of 60').waitFor()
  expect(await own.count()).toBe(10)
  expect(desk.complaints).toEqual([])
})

it('says what is wrong with an id', async () => {
  const { open, complaints } = await newDesk()
  const page = await open()
  await page.goto(pageOf('x'.repeat(65)))
  expect(await page.getByRole('alert').textContent()).toContain('64 characters')
  expect(await page.getByLabel('Id of a person').inputValue()).toBe('x'.repeat(65))
  expect(await barriers(page)).toEqual([])
  await page.goto(pageOf('\u200b'))
  expect(await page.getByRole('alert').textContent()).toContain('Name the person by an id')
  expect(complaints).toEqual([])
})

it('shows and does only what the scopes allow', async () => {
  const desk = await newDesk()
  await settle(desk)
  await recompute(desk)
  await join(desk, 'Early access', 'jane')
  const { workspace } = desk.client
  const groupsOnly = await newDesk('Nils', ['groups:read'], workspace)
  const page = await groupsOnly.open(pageOf('jane'))
  expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual(['Groups'])
  expect(await page.content()).not.toContain('50000')
  const tokenOf = (text: string) => /name="_token" value="([^"]+)"/.exec(text)?.[1] ?? ''
  const post = async (token: string) =>
    page.request.post('/console/people/erase', {
      form: { id: 'jane', confirm: 'jane', _token: token },
      maxRedirects: 0,
    })
  expect((await post(tokenOf(await page.content()))).status()).toBe(403)
  expect((await page.request.get('/console/people/erasures')).status()).toBe(403)
  expect((await page.request.get('/console/households/household/look')).status()).toBe(403)

  await page.goto('/console/households/household')
  const facts = await page.getByRole('heading', { level: 2 }).allTextContents()
  expect(facts).toEqual(['What they share', 'Recomputes'])
  expect(await page.getByRole('button', { name: 'Recompute now' }).count()).toBe(0)
  const run = await page.request.post('/console/households/household/recompute', {
    form: { _token: tokenOf(await page.content()) },
  })
  expect(run.status()).toBe(403)

  const usersOnly = await newDesk(
    'Ole',
    without('groups:read', 'flags:evaluate', 'experiments:read'),
    workspace,
  )
  const users = await usersOnly.open(pageOf('jane'))
  const sections = await users.getByRole('heading', { level: 2 }).allTextContents()
  expect(sections.slice(0, 3)).toEqual(['Household', 'Inherited attributes', 'Own attributes'])
  expect(await users.getByRole('link', { name: 'Early access' }).count()).toBe(0)

  const all = await (await newDesk('Pia', undefined, workspace)).open()
  const forged = await all.request.post('/console/people/erase', {
    form: { id: 'jane', confirm: 'jane', _token: tokenOf(await page.content()) },
  })
  expect(forged.status()).toBe(403)
  expect((await desk.platform.profile('jane')).groups).toHaveLength(1)

  const elsewhere = await (await newDesk()).open(pageOf('jane'))
  expect(await elsewhere.getByText('Nobody is known by this id').count()).toBe(1)
  expect((await elsewhere.request.get('/console/households/household')).status()).toBe(404)

  const stranger = await fetch(`${desk.url}${pageOf('jane')}`, { redirect: 'manual' })
  expect(stranger.headers.get('location')).toMatch(/^\/console\/sign-in\?to=/)
})
