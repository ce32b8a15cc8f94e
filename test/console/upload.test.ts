import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk, type Desk } from './stage.ts'

const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `p${String(from + i).padStart(4, '0')}`)

const file = (name: string, rows: string[], mimeType = 'text/csv') => ({
  name,
  mimeType,
  buffer: Buffer.from(rows.map((row) => `${row}\n`).join('')),
})

/** A group of 200 people of whom at most a fifth may leave at once. */
async function guarded({ groups, url, token }: Desk, name: string): Promise<string> {
  const group = await groups.create(name)
  const content = [file('all.csv', ids(0, 200)).buffer]
  await groups.finished(await groups.upload(group, { type: 'ADD', name: 'all.csv', content }), 100)
  const headers = {
    authorization: `Bearer ${token}`,
    transactionId: crypto.randomUUID(),
    'content-type': 'application/json',
  }
  const body = JSON.stringify({ maxRemovePercent: 20 })
  const answer = await fetch(`${url}/groups/v3/groups/${group}`, { method: 'PUT', headers, body })
  expect(answer.status).toBe(200)
  return group
}

/** Chooses a file, says what it does, and sends it. */
async function send(page: Page, chosen: ReturnType<typeof file>, effect: string): Promise<void> {
  await page.getByLabel('File', { exact: true }).setInputFiles(chosen)
  await page.getByRole('radio', { name: effect }).check()
  await page.getByRole('button', { name: 'Check the changes' }).click()
}

const toBeChecked = (page: Page) => page.getByText('To be checked').first().waitFor()

it('holds a wrong file that replaces, which is understood and cancelled', async () => {
  const desk = await newDesk()
  const group = await guarded(desk, 'Early birds')
  const page = await desk.open()
  await page.getByRole('link', { name: 'Early birds' }).click()
  await page.getByRole('link', { name: 'Upload a file' }).click()
  await page
    .getByLabel('File', { exact: true })
    .setInputFiles(file('few.csv', ['id', 'p0001', 'a,b']))
  await page.getByText('the first row names the columns').waitFor()
  await expect
    .poll(() => page.getByRole('row').allTextContents())
    .toEqual([
      'LineRead asColumn 1Column 2',
      '1Names of columnsid',
      '2p0001p0001',
      expect.stringContaining('Refused: More than one column'),
    ])
  expect(await barriers(page)).toEqual([])
  await page.getByRole('radio', { name: 'Replace' }).check()
  await page.getByRole('button', { name: 'Check the changes' }).click()
  await toBeChecked(page)
  expect(await page.getByText('The guard has stopped this').textContent()).toContain(
    '199 of 200 participants (99.5 %) leave. More than 20 % leave only once',
  )
  expect(await page.getByRole('img').getAttribute('aria-label')).toBe(
    '− 199 leave, 1 stay, + 0 join',
  )
  expect(await page.getByRole('table').textContent()).toContain('a,b')
  await expect.poll(() => page.getByText('and 189 more').count()).toBe(1)
  for (const [id, answer] of [
    ['p0005', 'p0005 leaves.'],
    ['p0001', 'p0001 stays.'],
    ['<b>ann', '<b>ann is not in the group.'],
  ] as const) {
    await page.getByLabel('Id of a person').fill(id)
    await page.getByRole('button', { name: 'Look up' }).click()
    await expect.poll(() => page.getByRole('status').textContent()).toBe(answer)
  }
  const download = page.getByRole('link', { name: 'Download all of them' })
  const leaving = await page.request.get(String(await download.getAttribute('href')))
  expect((await leaving.text()).split('\n')).toHaveLength(1 + 199 + 1)
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('How many leave?').fill('86')
  await page.getByRole('button', { name: 'Publish 199 changes' }).click()
  await expect
    .poll(() => page.getByRole('alert').textContent())
    .toContain('It would remove 199 people now')
  await page.getByRole('button', { name: 'Cancel, and change nothing' }).click()
  await page.getByText('It was cancelled. The group is as it was before.').waitFor()
  expect(await desk.groups.participantCount(group)).toBe(200)
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('publishes a right one, and shows it in the history', async () => {
  const desk = await newDesk()
  const group = await guarded(desk, '<b>Vögel</b> 🐦 עברית')
  const page = await desk.open(`/console/groups/${group}/upload`)
  await send(page, file('<i>new 🙂.csv', ids(10, 230)), 'Replace')
  await toBeChecked(page)
  expect(await page.getByText('Within the guard').textContent()).toContain('10 of 200')
  await page.getByRole('button', { name: 'Publish 40 changes' }).click()
  await page.getByText('Published', { exact: true }).waitFor()
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: '<b>Vögel</b> 🐦 עברית' }).click()
  await expect
    .poll(() => page.getByRole('row').nth(1).textContent())
    .toContain('<i>new 🙂.csv Replace23010220Mara')
  await page.getByLabel('Id of a person').fill('p0229')
  await page.getByRole('button', { name: 'Look up' }).click()
  await expect.poll(() => page.getByRole('status').textContent()).toBe('p0229 is in this group.')
  expect(await barriers(page)).toEqual([])
  const url = `/console/groups/${group}/undo`
  const token = await page.locator('[name=_token]').first().inputValue()
  const form = { _token: token, revision: '1' }
  const late = await page.request.post(url, { form, maxRedirects: 0 })
  expect([late.status(), await late.text()]).toEqual([
    422,
    expect.stringContaining('Somebody else changes this group'),
  ])
  await page.getByRole('button', { name: 'Undo the last change' }).click()
  await toBeChecked(page)
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Undo of revision 2')
  await page.getByRole('button', { name: 'Publish 40 changes' }).click()
  await page.getByText('Published', { exact: true }).waitFor()
  expect(await desk.groups.isMember(group, 'p0229')).toBe(false)
  expect(await desk.groups.participantCount(group)).toBe(200)
  expect(desk.complaints).toEqual([])
})

it('takes a file without a script, and says what is wrong with one', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  const page = await desk.open(`/console/groups/${group}/upload`, { javaScriptEnabled: false })
  await send(page, file('list.csv', ['%PDF-1.7']), 'Add')
  await expect
    .poll(() => page.getByRole('alert').textContent())
    .toContain('it looks like a PDF document')
  expect(await page.getByRole('radio', { name: 'Add' }).isChecked()).toBe(true)
  await page.getByLabel('File', { exact: true }).setInputFiles(file('list.csv', ['ann', 'bob']))
  await page.getByRole('button', { name: 'Check the changes' }).click()
  await expect
    .poll(async () => {
      await page.reload()
      return page.getByRole('button', { name: 'Publish 2 changes' }).count()
    })
    .toBe(1)
  await page.getByRole('button', { name: 'Publish 2 changes' }).click()
  expect(await desk.groups.isMember(group, 'ann')).toBe(true)
  expect(desk.complaints).toEqual([])
})

it('takes a file that is dropped, and keeps it where it is refused', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  const page = await desk.open(`/console/groups/${group}/upload`, {
    viewport: { width: 360, height: 800 },
    colorScheme: 'dark',
  })
  const dataTransfer = await page.evaluateHandle(`(() => {
    const data = new DataTransfer()
    data.items.add(new File(['%PDF-1.7'], 'list.csv'))
    return data
  })()`)
  await page.locator('.drop').dispatchEvent('drop', { dataTransfer })
  await page.getByText('This is not a list of ids: it looks like a PDF document').first().waitFor()
  await page.getByRole('radio', { name: 'Add' }).check()
  await page.getByRole('button', { name: 'Check the changes' }).click()
  await expect.poll(() => page.locator('#sending .wrong').count()).toBe(1)
  expect(await page.locator('#sending').textContent()).toContain('it looks like a PDF document')
  expect(await page.getByRole('radio', { name: 'Add' }).isChecked()).toBe(true)
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})

it('refuses a file whose form is of another session, before it is read', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  const page = await desk.open()
  const post = (multipart: Record<string, string | ReturnType<typeof file>>) =>
    page.request.post(`/console/groups/${group}/upload`, { multipart, maxRedirects: 0 })
  const list = file('list.csv', ['ann'])
  await page.goto(`/console/groups/${group}/upload`)
  const token = await page.locator('form[data-upload] [name=_token]').inputValue()
  expect((await post({ type: 'add', file: list })).status()).toBe(403)
  expect((await post({ _token: `${token}x`, type: 'add', file: list })).status()).toBe(403)
  expect((await post({ type: 'add', file: list, _token: token })).status()).toBe(403)
  expect((await post({ _token: token, type: 'add', mode: 'apply', file: list })).status()).toBe(422)
  expect(await desk.groups.jobs()).toEqual([])
  expect((await post({ _token: token, type: 'add', file: list })).status()).toBe(303)
})
