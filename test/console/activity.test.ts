import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk, widthOf } from './stage.ts'

const hostile = '<b>x</b> \u202E"\'& 🦉'

it('shows what was done, narrowed down, and exports that', async () => {
  const { open, groups, url, complaints } = await newDesk()
  await groups.guard(await groups.create(hostile.replace('\u202E', '')), 20)
  await groups.create('second')
  const page = await open()
  await page.getByRole('link', { name: 'Activity' }).click()
  await page.getByText('Group created').first().waitFor()
  expect(await page.locator('tbody tr').first().innerText()).toContain('second')
  await page.locator('tbody summary').first().click()
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'Details' }).first().click()
  await page.getByRole('heading', { name: 'Group created' }).waitFor()
  expect(await page.locator('main').innerText()).toContain('second')
  expect(await barriers(page)).toEqual([])
  await page.goBack()

  await page.getByLabel('About').selectOption('client')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.waitForURL(/kind=client/)
  expect(await page.getByText('Group created').count()).toBe(0)
  await page.getByText('Client created').waitFor()
  const href = await page.getByRole('link', { name: 'Export' }).getAttribute('href')
  const file = await page.request.get(`${url}${String(href)}`)
  expect(file.headers()['content-type']).toBe('application/x-ndjson')
  const lines = (await file.text()).trim().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
    'client.created',
  ])

  await page.getByLabel('One thing').fill('no colon')
  await page.getByRole('button', { name: 'Show' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('must be a kind and an id')
  expect(await page.getByLabel('One thing').inputValue()).toBe('no colon')
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'Signed digests' }).click()
  await page.getByText('There is no digest here yet').waitFor()
  expect(await barriers(page)).toEqual([])
  expect(complaints).toEqual([])
})

it('is read on a phone without a script', async () => {
  const { open, groups } = await newDesk()
  await groups.create('x'.repeat(50))
  const page = await open('/console/activity?object=nothing:here', {
    javaScriptEnabled: false,
    viewport: { width: 360, height: 740 },
  })
  await page.getByText('Nothing of this kind was done').waitFor()
  await page.getByRole('link', { name: 'Show everything' }).click()
  await page.getByText('Group created').waitFor()
  expect(await widthOf(page)).toBeLessThanOrEqual(360)
})
