import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk, type Desk } from './stage.ts'

const hostile = '<b>x</b> "\u05e9\u05dc\u05d5\u05dd" 🐕'

const people = Array.from({ length: 200 }, (_, i) => `p${i}`)

async function groupOf({ groups }: Desk): Promise<string> {
  const group = await groups.create(hostile)
  const content = [Buffer.from(['ParticipantId', ...people].join('\n'))]
  await groups.finished(
    await groups.upload(group, { type: 'ADD', name: 'people.csv', content }, () => undefined),
    50,
  )
  return group
}

/** Each of the first people sees the variant, some of them a day later. */
async function seen({ url, token, client }: Desk, id: string, counts: Record<string, number>) {
  const exposures = Object.entries(counts).flatMap(([variant, number]) =>
    people.slice(0, number).map((person, i) => ({
      experiment_id: id,
      participant_id: `${variant}-${person}`,
      variant,
      at: `2026-11-2${i % 2 === 0 ? 4 : 5}T12:00:00Z`,
    })),
  )
  const path = `/platform/workspaces/${client.workspace}/experiments/exposures`
  const answer = await fetch(url + path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ exposures }),
  })
  expect(answer.status).toBe(202)
}

it('makes a draft and starts it', async () => {
  const desk = await newDesk()
  await groupOf(desk)
  const page = await desk.open('/console/experiments')
  await page.getByText('There is no experiment yet').waitFor()
  await page.getByRole('link', { name: 'New experiment' }).click()
  await page.getByLabel('Name', { exact: true }).fill(hostile)
  await page.getByLabel('Id', { exact: true }).first().fill('checkout')
  await page.getByLabel('Group', { exact: true }).fill(hostile)
  await page.getByRole('button', { name: 'Add a variant' }).click()
  const third = page.getByRole('group', { name: 'Variant 3' })
  await third.getByLabel('Id', { exact: true }).fill('green')
  await third.getByLabel('Share in %').fill('25')
  const second = page.getByRole('group', { name: 'Variant 2' })
  await second.getByLabel('Id', { exact: true }).fill('blue')
  await second.getByText('Forced on some').click()
  await second.getByLabel('Ids of participants').fill('tester\n')
  await expect.poll(() => page.getByText('Together 125 %: 25 % too much.').count()).toBe(1)
  await page.getByLabel('Traffic in %').fill('10')
  await page.getByRole('button', { name: 'Create the draft' }).click()
  await page.getByRole('alert').getByText('must be 100 % together').waitFor()
  expect(await second.getByLabel('Ids of participants').inputValue()).toContain('tester')
  expect(await barriers(page)).toEqual([])
  await second.getByLabel('Share in %').fill('25')
  await page.getByRole('button', { name: 'Create the draft' }).click()
  await page.getByRole('button', { name: 'Start the experiment' }).click()
  await page.getByText('Running').waitFor()
  expect(await page.locator('h1').textContent()).toBe(hostile)
  expect(await page.getByRole('row', { name: /blue/ }).first().textContent()).toContain('tester')

  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

const variants = [
  { id: 'control', weight: 5000, value: hostile },
  { id: 'blue', weight: 5000, value: 'blue' },
]

it('widens an experiment, draws all anew, and ends it', async () => {
  const desk = await newDesk()
  const draft = { id: 'checkout', name: hostile, group_id: await groupOf(desk), variants }
  await desk.platform.createExperiment({ ...draft, traffic: 1000 })
  await desk.platform.startExperiment('checkout')
  const page = await desk.open('/console/experiments/checkout')
  // As the slider goes, the people beside it.
  await page.getByRole('slider').fill('50')
  expect(await page.locator('#traffic-people').textContent()).toBe(
    'about 100 of 200 people, 80 more',
  )
  await page.getByRole('button', { name: 'Set the traffic' }).click()
  await page.getByText('about 100 of 200 people', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Count the group again' }).click()
  await page.locator('#balance').getByText('The shares explain these numbers').waitFor()
  await page.getByLabel('Id of a participant').fill(hostile)
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText(`Is drawn by the id ${hostile}.`).waitFor()
  expect(await barriers(page)).toEqual([])

  // Weights change only where all are drawn anew.
  await page.getByRole('link', { name: 'Change' }).click()
  await page.getByRole('group', { name: 'Variant 1' }).getByLabel('Share in %').fill('60')
  await page.getByRole('group', { name: 'Variant 2' }).getByLabel('Share in %').fill('40')
  await page.getByRole('button', { name: 'Save the experiment' }).click()
  await page.getByRole('alert').getByText('draw everybody anew').waitFor()
  await page.getByLabel('Draw everybody anew').check()
  await page.getByRole('button', { name: 'Save the experiment' }).click()
  await page.getByText('Version2').waitFor()
  await page.getByRole('button', { name: 'Pause it' }).click()
  await page.getByText('Paused').waitFor()
  await page.getByLabel('Type its name').fill('other')
  await page.getByRole('button', { name: 'End it for good' }).click()
  await page.getByRole('alert').getByText('is not its name').waitFor()
  await page.getByLabel('Type its name').fill(hostile)
  await page.getByRole('button', { name: 'End it for good' }).click()
  await page.getByText('Ended').waitFor()
  await page.getByLabel('Type its name').fill(hostile)
  await page.getByRole('button', { name: 'Delete the experiment' }).click()
  await page.getByText('There is no experiment yet').waitFor()
  expect(desk.complaints).toEqual([])
})

it('shows whether the shares explain who saw it', async () => {
  const desk = await newDesk()
  const group = await groupOf(desk)
  for (const id of ['fair', 'skewed']) {
    await desk.platform.createExperiment({
      id,
      name: id,
      group_id: group,
      variants,
      traffic: 10_000,
    })
    await desk.platform.startExperiment(id)
  }
  await seen(desk, 'fair', { control: 60, blue: 50 })
  await seen(desk, 'skewed', { control: 150, blue: 50 })
  const page = await desk.open('/console/groups', {
    colorScheme: 'dark',
    viewport: { width: 360, height: 740 },
  })
  const whoSaw = page.locator('section', { hasText: 'Who saw it' })
  await expect
    .poll(
      async () => {
        await page.goto('/console/experiments/skewed')
        return whoSaw.textContent()
      },
      { timeout: 15_000, interval: 500 },
    )
    .toContain('The shares do not explain these numbers')
  const columns = await page
    .getByRole('img', { name: /^control by day/ })
    .getAttribute('aria-label')
  expect(columns).toBe('control by day: 2026-11-24 75, 2026-11-25 75')
  expect(await barriers(page)).toEqual([])
  const wide = await page.evaluate<number>('document.documentElement.scrollWidth')
  expect(wide).toBeLessThanOrEqual(360)
  const seenFile = await page.getByRole('link', { name: 'Download who saw' }).getAttribute('href')
  const saw = await (await page.request.get(String(seenFile))).text()
  expect(saw.trim().split('\n')).toHaveLength(1 + 200)
  const heldFile = await page.getByRole('link', { name: 'Download who has' }).getAttribute('href')
  const held = await (await page.request.get(String(heldFile))).text()
  expect(held.trim().split('\n')).toHaveLength(1 + 200)
  expect(held).toMatch(/^participant_id,variant\n/)
  await page.goto('/console/experiments/fair')
  expect(await whoSaw.textContent()).toContain('The shares explain these numbers')
  await page.goto('/console/experiments?status=running')
  expect(await page.getByRole('row').count()).toBe(3)
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('makes and changes an experiment without JavaScript', async () => {
  const desk = await newDesk()
  const page = await desk.open('/console/experiments/-/new', { javaScriptEnabled: false })
  await page.getByLabel('Name', { exact: true }).fill('Plain')
  await page.getByLabel('Id', { exact: true }).first().fill('plain')
  await page.getByRole('group', { name: 'Variant 2' }).getByLabel('Id', { exact: true }).fill('on')
  await page.getByLabel('Values are').selectOption('true or false')
  await page.getByRole('group', { name: 'Variant 1' }).getByLabel('Value').fill('false')
  await page.getByRole('group', { name: 'Variant 2' }).getByLabel('Value').fill('tru')
  await page.getByRole('button', { name: 'Add a variant' }).click()
  await page.getByRole('group', { name: 'Variant 3' }).waitFor()
  await page.getByRole('button', { name: 'Create the draft' }).click()
  await page.getByRole('alert').getByText('must be true or false').waitFor()
  await page.getByRole('group', { name: 'Variant 2' }).getByLabel('Value').fill('true')
  await page.getByRole('button', { name: 'Create the draft' }).click()
  await page.getByLabel('Traffic in %').fill('many')
  await page.getByRole('button', { name: 'Set the traffic' }).click()
  await page.getByRole('alert').getByText('a share of 0 to 100 %').waitFor()
  // A form of no page of ours changes nothing; another workspace's experiment is none.
  const stolen = await page.request.post('/console/experiments/plain/traffic', {
    form: { traffic: '50' },
  })
  expect(stolen.status()).toBe(403)
  const other = await (await newDesk()).open()
  expect((await other.goto('/console/experiments/plain'))?.status()).toBe(404)
  await page.getByLabel('Traffic in %').fill('12.5')
  await page.getByRole('button', { name: 'Set the traffic' }).click()
  await page.getByRole('alert').waitFor({ state: 'detached' })
  expect(await page.getByLabel('Traffic in %').inputValue()).toBe('12.5')
})

it('shows nobody more of experiments than the scopes do', async () => {
  const desk = await newDesk('Reader', ['experiments:read', 'groups:read'])
  const group = await desk.groups.create('g').catch(() => undefined)
  expect(group).toBeUndefined()
  const page = await desk.open('/console/experiments')
  expect(await page.getByRole('link', { name: 'New experiment' }).count()).toBe(0)
  const refused = await page.goto('/console/experiments/-/new')
  expect(refused?.status()).toBe(403)
  for (const form of ['-/new', 'x/edit', 'x/status', 'x/traffic', 'x/balance', 'x/delete'])
    expect((await page.request.post(`/console/experiments/${form}`)).status()).toBe(403)
})
