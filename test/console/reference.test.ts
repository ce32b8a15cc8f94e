import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk, widthOf } from './stage.ts'

it('shows the operations, and tries one as who is signed in', async () => {
  const { open, complaints } = await newDesk()
  const page = await open('/console/groups', { colorScheme: 'dark' })
  await page.getByRole('link', { name: 'Reference' }).click()
  await page.getByText('Groups kept by hand').waitFor()
  await page.getByText('Groups that form automatically').click()
  const operation = page.locator('#operations-Group_Identity-getUsage')
  await operation.locator('.opblock-summary-control').click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  await operation
    .locator('.live-responses-table .response-col_status', { hasText: '200' })
    .waitFor()
  expect(await operation.locator('.live-responses-table').innerText()).toContain('"groups"')
  expect(await barriers(page)).toEqual([])
  expect(complaints).toEqual([])
})

it('says where the document is to who has no script, on a phone', async () => {
  const { open } = await newDesk()
  const page = await open('/console/reference', {
    javaScriptEnabled: false,
    viewport: { width: 360, height: 740 },
  })
  await page.getByText('This page needs JavaScript').waitFor()
  expect(await widthOf(page)).toBeLessThanOrEqual(360)
})
