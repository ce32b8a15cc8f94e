import { expect, it } from 'vitest'
import { startReceiver } from '../support/receiver-server.ts'
import { barriers } from './axe.ts'
import { newDesk, widthOf } from './stage.ts'

const receiver = await startReceiver()
const answers = (name: string, list: object[]) =>
  fetch(`${receiver}/answers/${name}`, { method: 'POST', body: JSON.stringify(list) })

const hostile = '<img src=x onerror=alert(1)>"\'&'

it('makes a webhook, tries it, reads why it failed, and sends it again', async () => {
  const { open, complaints } = await newDesk()
  await answers('tried', [{ status: 500, body: `${hostile} \u202Eoops 🦉` }, { status: 204 }])
  const page = await open()
  await page.getByRole('link', { name: 'Webhooks' }).click()
  await page.getByText('There is no webhook yet').waitFor()
  expect(await barriers(page)).toEqual([])

  await page.getByRole('link', { name: 'New webhook' }).click()
  await page.getByLabel('Address').fill('ftp://nowhere')
  await page.getByLabel('What it is for').fill(hostile)
  expect(await barriers(page)).toEqual([])
  await page.getByRole('button', { name: 'Create the webhook' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('must begin with https://')
  expect(await page.getByLabel('What it is for').inputValue()).toBe(hostile)
  expect(await barriers(page)).toEqual([])

  await page.getByLabel('Address').fill(`${receiver}/in/tried`)
  await page.getByRole('button', { name: 'Create the webhook' }).click()
  expect(await page.getByLabel(/^Secret of/).inputValue()).toMatch(/^whsec_/)
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'I have copied it' }).click()
  expect(await page.locator('.about bdi').first().textContent()).toBe(hostile)

  await page.getByRole('button', { name: 'Send a test event' }).click()
  await page.getByText('A test event is on its way').waitFor()
  await page.getByText('the last was answered 500').first().waitFor()
  await page.locator('details', { hasText: 'answered 500' }).first().locator('summary').click()
  expect(await page.locator('pre').first().textContent()).toContain(hostile)
  expect(await barriers(page)).toEqual([])
  expect(complaints).toEqual([])
})

it('replays a period, changes, rotates, switches off and deletes', async () => {
  const { open, groups, complaints } = await newDesk()
  await groups.create('before the webhook')
  const page = await open('/console/webhooks/new', {
    javaScriptEnabled: false,
    viewport: { width: 360, height: 740 },
  })
  await page.getByLabel('Address').fill(`${receiver}/in/replayed`)
  await page.getByLabel('Those chosen below').check()
  await page.getByLabel('webhook.deleted').check()
  await page.getByRole('button', { name: 'Create the webhook' }).click()
  await page.getByRole('link', { name: 'I have copied it' }).click()

  const again = page.getByRole('button', { name: 'Send again', exact: true })
  await again.click()
  expect(await page.getByRole('alert').textContent()).toContain('Fill this in')
  await page.getByLabel('From (UTC)').fill('2020-01-01T00:00')
  await page.getByLabel('All, also those that were').check()
  await again.click()
  expect(await page.getByRole('status').textContent()).toMatch(/events? (is|are) sent again/)
  const sent = async () => {
    await page.goto(page.url())
    return page.getByText('group.created').count()
  }
  await expect.poll(sent).toBeGreaterThan(0)

  await page.getByRole('link', { name: 'Change' }).click()
  expect(await page.getByLabel('webhook.deleted').isChecked()).toBe(true)
  await page.getByLabel('The usual ones').check()
  await page.getByRole('button', { name: 'Save the changes' }).click()
  await page.getByText('the 16 usual events').waitFor()
  await page.getByRole('button', { name: 'Make a new secret' }).click()
  expect(await page.getByLabel(/^Secret of/).inputValue()).toMatch(/^whsec_/)
  await page.getByRole('link', { name: 'I have copied it' }).click()
  await page.getByText('Former secret signs until').waitFor()
  await page.getByRole('button', { name: 'Switch off' }).click()
  await page.getByText('It is off').waitFor()
  const wide = await widthOf(page)
  expect(wide).toBeLessThanOrEqual(360)

  const host = new URL(receiver).host
  await page.getByLabel(`Type ${host}`).fill('elsewhere')
  await page.getByRole('button', { name: 'Delete the webhook' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('is not its host name')
  await page.getByLabel(`Type ${host}`).fill(host)
  await page.getByRole('button', { name: 'Delete the webhook' }).click()
  await page.getByText('There is no webhook yet').waitFor()
  expect(complaints).toEqual([])
})
