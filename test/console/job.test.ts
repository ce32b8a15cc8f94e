import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk } from './stage.ts'

const file = (rows: string[]) => [Buffer.from(rows.map((row) => `${row}\n`).join(''))]

it('shows refused rows by pages, and downloads them', async () => {
  const desk = await newDesk()
  const { groups } = desk
  const group = await groups.create('Owls')
  const bad = Array.from({ length: 25 }, (_, i) => `=cmd|${i}`)
  const hostile = ['<img src=x onerror=alert(1)>,b', 'שלום,🙂', 'z'.repeat(4096)]
  const content = file(['ann', ...hostile, ...bad])
  const job = await groups.upload(group, { type: 'ADD', name: '‮<b>.csv', content })
  await groups.finished(job, 100)
  const page = await desk.open(`/console/jobs/${job}`)
  await expect.poll(() => page.getByText('Published, rows refused').count()).toBe(1)
  expect(await page.getByRole('img').getAttribute('aria-label')).toBe('− 0 left, + 1 joined')
  await expect.poll(() => page.getByRole('row').count()).toBe(21)
  expect(await page.getByRole('row').nth(1).textContent()).toContain(hostile[0])
  await page.getByRole('link', { name: 'Next' }).click()
  await expect.poll(() => page.getByRole('row').count()).toBe(9)
  expect(await barriers(page)).toEqual([])
  const csv = await (await page.request.get(`/console/jobs/${job}/refused.csv`)).text()
  expect(csv.split('\n')).toHaveLength(1 + 28 + 1)
  expect(csv).toContain(`5,"'=cmd|0",More than one column`)
  expect(desk.complaints).toEqual([])
})

it('says for whom a job waits, and cancels it', async () => {
  const desk = await newDesk()
  const { groups } = desk
  const group = await groups.create('Owls')
  const page = await desk.open(`/console/groups/${group}/upload`, {
    viewport: { width: 360, height: 800 },
    colorScheme: 'dark',
  })
  const first = { name: 'first.csv', mimeType: 'text/csv', buffer: Buffer.from('ann\n') }
  await page.getByLabel('File', { exact: true }).setInputFiles(first)
  await page.getByRole('radio', { name: 'Add' }).check()
  await page.getByRole('button', { name: 'Check the changes' }).click()
  await page.getByText('To be checked').first().waitFor()
  const second = await groups.upload(group, {
    type: 'ADD',
    name: 'second.csv',
    content: file(['bob']),
  })
  await page.clock.install()
  await page.goto(`/console/jobs/${second}`)
  expect(await page.locator('#progress').textContent()).toContain(
    'It waits for first.csv by Mara, which is to be checked',
  )
  expect(await barriers(page)).toEqual([])
  // In a minute it looks often, and then less often.
  let looks = 0
  page.on('requestfinished', () => looks++)
  const steps = 15
  for (let step = 0; step < steps; step++) {
    await page.clock.runFor(60_000 / steps)
    await page.evaluate('fetch("/console/assets/icon.svg").then((answer) => answer.text())')
  }
  expect(looks - steps).toBeGreaterThan(5)
  expect(looks - steps).toBeLessThan(15)
  await page.getByRole('button', { name: 'Cancel this change' }).click()
  await page.getByText('It was cancelled. The group is as it was before.').waitFor()
  await page.goto(`/console/groups/${group}`)
  await page.getByRole('link', { name: 'All files and syncs' }).click()
  await expect
    .poll(() => page.getByRole('row').allTextContents())
    .toEqual([
      expect.any(String),
      expect.stringContaining('second.csvAddCancelledMara'),
      expect.stringContaining('first.csvAddTo be checkedMara'),
    ])
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('says why a file changed nothing, without a script', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  const content = file(['a,b', 'c,d'])
  const job = await desk.groups.upload(group, { type: 'REPLACE', name: 'pairs.csv', content })
  await desk.groups.finished(job, 100)
  const page = await desk.open(`/console/jobs/${job}`, { javaScriptEnabled: false })
  await expect
    .poll(() => page.getByText('No row of the file could be read as an id').count())
    .toBe(1)
  await expect.poll(() => page.getByRole('row').count()).toBe(3)
})
