import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { newDesk } from './stage.ts'

it('makes a group, and says what is wrong with a name', async () => {
  const { open, complaints } = await newDesk()
  const page = await open()
  expect(await page.getByText('There is no group yet').count()).toBe(1)
  expect(await barriers(page)).toEqual([])
  await page.getByRole('link', { name: 'New group' }).click()
  await page.getByLabel('Name').fill('x'.repeat(51))
  await page.getByRole('button', { name: 'Create the group' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('50 characters at most')
  expect(await page.getByLabel('Name').inputValue()).toBe('x'.repeat(51))
  expect(await barriers(page)).toEqual([])
  expect(complaints).toEqual([])
})
