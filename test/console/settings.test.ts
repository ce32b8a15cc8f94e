import { expect, it } from 'vitest'
import { ensureSecrets } from '../local/secrets.ts'
import { barriers } from './axe.ts'
import { newDesk, widthOf } from './stage.ts'

const { adminToken } = ensureSecrets()

it('makes a client, gives it another secret and deletes it', async () => {
  const { open, complaints } = await newDesk()
  const page = await open('/console/groups', { colorScheme: 'dark' })
  await page.getByRole('link', { name: 'Usage' }).click()
  await page.getByText('Participants of all groups together').waitFor()
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByText('Who is signed in').waitFor()
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Admin token').fill('a guess')
  await page.getByRole('button', { name: 'Show the clients' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('is not the admin token')
  expect(await page.getByLabel('Admin token').inputValue()).toBe('')
  await page.getByLabel('Admin token').fill(adminToken)
  await page.getByRole('button', { name: 'Show the clients' }).click()
  await page.getByRole('link', { name: 'New client' }).waitFor()
  expect(await barriers(page)).toEqual([])
  expect(await page.content()).not.toContain(adminToken)

  await page.getByRole('link', { name: 'New client' }).click()
  const name = '<i>till</i> 🦉'
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Admin token').fill(adminToken)
  await page.getByRole('button', { name: 'Create the client' }).click()
  expect(await page.getByRole('alert').textContent()).toMatch(/\w/)
  expect(await page.getByLabel('Name').inputValue()).toBe(name)
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('groups:read').check()
  await page.getByLabel('Admin token').fill(adminToken)
  await page.getByRole('button', { name: 'Create the client' }).click()
  expect(await page.getByLabel('Secret').inputValue()).toMatch(/^[\w-]{43}$/)
  const id = await page.getByLabel(/^Id of/).inputValue()
  expect(await barriers(page)).toEqual([])

  await page.goto(`/console/settings/clients/${id}`)
  await page.getByLabel('Delete it').check()
  await page.getByLabel('Name of the client').fill('till')
  await page.getByLabel('Admin token').fill(adminToken)
  await page.getByRole('button', { name: 'Change the client' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('is not the name of the client')
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Name of the client').fill(name)
  await page.getByLabel('Admin token').fill(adminToken)
  await page.getByRole('button', { name: 'Change the client' }).click()
  await page.getByText('The client is deleted.').waitFor()
  expect(complaints).toEqual([])
})

it('shows on a phone without a script what there is to see', async () => {
  const { open, client } = await newDesk('Only groups', ['groups:read'])
  const page = await open('/console/groups', {
    javaScriptEnabled: false,
    viewport: { width: 360, height: 740 },
  })
  for (const name of ['Webhooks', 'Activity', 'Audiences', 'Experiments'])
    expect(await page.getByRole('link', { name, exact: true }).count()).toBe(0)
  await page.getByRole('link', { name: 'Usage' }).click()
  await page.getByText('under 1 %').or(page.getByText('0 %')).first().waitFor()
  expect(await widthOf(page)).toBeLessThanOrEqual(360)
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByText(client.id).waitFor()
  expect(await page.getByText('Who is signed in').count()).toBe(0)
  await page.goto(`/console/settings/clients/${client.id}`)
  await page.getByLabel('Give it a new secret').check()
  await page.getByLabel('Admin token').fill(adminToken)
  await page.getByRole('button', { name: 'Change the client' }).click()
  expect(await page.getByLabel('Secret').inputValue()).not.toBe(client.secret)
  expect(await widthOf(page)).toBeLessThanOrEqual(360)
  await page.goto('/console/webhooks')
  await page.getByText('needs the scope webhooks:read').waitFor()
})
