import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk, type Desk, widthOf } from './stage.ts'

const hostile = '<script>alert(1)</script> 🐦 שלום'

/** The API of the workspace, for whatever `desk.groups` does not do. */
const call = (desk: Desk, path: string, body: object, method = 'POST') =>
  fetch(`${desk.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${desk.token}`,
      transactionId: crypto.randomUUID(),
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
  })

async function add(desk: Desk, group: string, ids: string[]): Promise<void> {
  const content = [Buffer.from(ids.map((id) => `${id}\n`).join(''))]
  const job = await desk.groups.upload(group, { type: 'ADD', name: 'list.csv', content })
  await desk.groups.finished(job, 100)
}

it('makes a group, and says what is wrong with a name', async () => {
  const { open, complaints } = await newDesk()
  const page = await open()
  await expect.poll(() => page.getByText('There is no group yet').count()).toBe(1)
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'New group' }).click()
  await page.getByLabel('Name').fill('x'.repeat(51))
  await page.getByRole('button', { name: 'Create the group' }).click()
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('50 characters at most')
  expect(await page.getByLabel('Name').inputValue()).toBe('x'.repeat(51))
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Name').fill(hostile)
  await page.getByRole('button', { name: 'Create the group' }).click()
  await expect.poll(() => page.getByRole('heading', { level: 1 }).textContent()).toBe(hostile)
  await expect.poll(() => page.getByText('Nothing has changed this group lately').count()).toBe(1)
  expect(await barriers(page)).toEqual([])
  expect(complaints).toEqual([])
})

it('renames, guards and deletes a group', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  await add(desk, group, ['ann', 'bob'])
  const page = await desk.open(`/console/groups/${group}`, {
    viewport: { width: 360, height: 800 },
    colorScheme: 'dark',
  })
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByLabel('Name', { exact: true }).fill(hostile)
  await page.getByLabel('Guard, in percent').fill('200')
  await page.getByRole('button', { name: 'Save the settings' }).click()
  await expect
    .poll(() => page.getByRole('alert').textContent())
    .toContain('a whole number from 0 to 100')
  expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe(hostile)
  expect(await barriers(page)).toEqual([])
  expect(await widthOf(page)).toBe(360)
  await page.getByLabel('Guard, in percent').fill('20')
  await page.getByRole('button', { name: 'Save the settings' }).click()
  await page.getByText('At most 20 % may leave at once').waitFor()
  expect(await widthOf(page)).toBe(360)
  await page.getByRole('link', { name: 'Settings' }).click()
  await expect
    .poll(() => page.getByText('2 participants will no longer be in this group').count())
    .toBe(1)
  await page.getByLabel('Type its name').fill('Owls')
  await page.getByRole('button', { name: 'Delete the group' }).click()
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('is not its name')
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Type its name').fill(hostile)
  await page.getByRole('button', { name: 'Delete the group' }).click()
  await page.waitForURL('**/console/groups')
  await expect(desk.groups.participantCount(group)).rejects.toThrow('400')
  expect(desk.complaints).toEqual([])
})

it('searches and sorts the list without a script', async () => {
  const desk = await newDesk()
  const [owls, small] = [await desk.groups.create(hostile), await desk.groups.create('Small owls')]
  await desk.groups.create('Larks')
  await add(desk, owls, ['ann', 'bob'])
  await add(desk, small, ['ann'])
  await add(desk, owls, ['cho'])
  const page = await desk.open('/console/groups', { javaScriptEnabled: false })
  const names = () => page.getByRole('rowheader').allTextContents()
  await expect.poll(names).toEqual([hostile, 'Larks', 'Small owls'])
  expect(await page.getByRole('img').first().getAttribute('aria-label')).toBe(
    'From 0 to 3 in the last 2 changes',
  )
  await page.getByRole('link', { name: 'Participants' }).click()
  await expect.poll(names).toEqual([hostile, 'Small owls', 'Larks'])
  await page.getByRole('link', { name: 'Participants' }).click()
  await expect.poll(names).toEqual(['Larks', 'Small owls', hostile])
  await page.getByLabel('Part of a group’s name').fill('OWL')
  await page.getByRole('button', { name: 'Search' }).click()
  await expect.poll(names).toEqual(['Small owls'])
  expect(page.url()).toContain('sort=-participants&q=OWL')
  await page.getByLabel('Part of a group’s name').fill('<script>')
  await page.getByRole('button', { name: 'Search' }).click()
  await expect.poll(names).toEqual([hostile])
  await page.goto('/console/groups?q=%F0%9F%A6%89"&page=7')
  await expect.poll(() => page.getByText('No group is called so').count()).toBe(1)
})

it('says who uses a group, whether somebody is in it, and downloads it', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  await add(desk, group, ['ann', '=1+1'])
  const workspace = `/platform/workspaces/${desk.client.workspace}`
  const rule = { operator: 'in_group', group }
  const audience = { id: 'night', name: '<i>Night</i>', description: '', rule }
  expect((await call(desk, `${workspace}/audiences`, audience)).ok).toBe(true)
  const variants = [
    { id: 'a', weight: 5000, value: true },
    { id: 'b', weight: 5000, value: false },
  ]
  const experiment = { id: 'night-sky', name: 'Night sky', group_id: group, variants }
  expect((await call(desk, `${workspace}/experiments`, experiment)).ok).toBe(true)
  const page = await desk.open(`/console/groups/${group}`)
  expect(await page.getByRole('listitem').allTextContents()).toEqual(
    expect.arrayContaining(['Experiment Night sky', 'Audience <i>Night</i>']),
  )
  for (const [id, answer] of [
    ['ann', 'ann is in this group.'],
    ['<b>bob</b>', '<b>bob</b> is not in this group.'],
  ] as const) {
    await page.getByLabel('Id of a person').fill(id)
    await page.getByRole('button', { name: 'Look up' }).click()
    await expect.poll(() => page.getByRole('status').textContent()).toBe(answer)
  }
  expect(await barriers(page)).toEqual([])
  const file = (name: string) =>
    page.request.get(`/console/groups/${group}/participants.csv${name}`)
  expect(await (await file('')).text()).toBe('ParticipantId\n=1+1\nann\n')
  expect(await (await file('?for=spreadsheet')).text()).toContain("'=1+1")
  expect(desk.complaints).toEqual([])
})

it('shows nothing of another workspace, and only what the scopes allow', async () => {
  const desk = await newDesk()
  const group = await desk.groups.create('Owls')
  await add(desk, group, ['ann'])
  const [{ jobId } = { jobId: '' }] = await desk.groups.jobs()
  const reader = await newDesk('Rita', ['groups:read'], desk.client.workspace)
  const page = await reader.open(`/console/groups/${group}`)
  expect(await page.getByRole('link', { name: /Settings|Upload/ }).count()).toBe(0)
  const token = await page.locator('[name=_token]').first().inputValue()
  const paths = ['settings', 'delete', 'upload'].map((name) => `groups/${group}/${name}`)
  for (const path of [...paths, `jobs/${jobId}/publish`, `jobs/${jobId}/cancel`, 'groups/new']) {
    const form = { _token: token, name: 'x', confirm: 'Owls', expectedRemoved: '0' }
    const refused = await page.request.post(`/console/${path}`, { form, maxRedirects: 0 })
    expect([path, refused.status()]).toEqual([path, 403])
  }
  const stranger = await (await newDesk()).open()
  for (const path of [`groups/${group}`, `groups/${group}/jobs`, `groups/${group}/settings`])
    expect((await stranger.request.get(`/console/${path}`)).status()).toBe(404)
  for (const path of [`groups/${group}/participants.csv`, `jobs/${jobId}`])
    expect((await stranger.request.get(`/console/${path}`)).status()).toBe(404)
  expect(await desk.groups.isMember(group, 'ann')).toBe(true)
})
