import { expect, it } from 'vitest'
import { barriers } from './axe.ts'
import { elm, pageOf, recompute, settle } from './household-stage.ts'
import { newDesk } from './stage.ts'

it('puts somebody right by hand, and takes it back', async () => {
  const desk = await newDesk()
  await settle(desk)
  await recompute(desk)
  const page = await desk.open()
  await page.goto(pageOf('al'))
  await page.getByRole('link', { name: 'Correct this household' }).click()
  await page.getByText('Nothing is corrected').waitFor()
  expect(await page.getByLabel('User', { exact: true }).inputValue()).toBe('al')
  expect(await barriers(page)).toEqual([])

  await page.getByLabel('The other user, or the value').fill('nobody')
  await page.getByRole('button', { name: 'Correct' }).click()
  expect(await page.getByRole('alert').textContent()).toContain('must be a user')
  expect(await page.getByLabel('The other user, or the value').inputValue()).toBe('nobody')
  expect(await barriers(page)).toEqual([])

  await page.getByLabel('The other user, or the value').fill('jane')
  await page.getByLabel('Reason').fill('Moved in, the form is late')
  await page.getByRole('button', { name: 'Correct' }).click()
  await page.getByText('Moved in, the form is late').waitFor()
  expect(await barriers(page)).toEqual([])
  const members = page.getByRole('region', { name: 'Members' })
  await expect
    .poll(async () => {
      await page.goto(pageOf('al'))
      return members.getByRole('rowheader').allTextContents()
    })
    .toEqual(['al', 'jane', 'joe', 'mia'])
  await page.getByText('By hand: with jane.').waitFor()
  expect(await page.textContent('body')).toContain(elm)
  await page.getByRole('link', { name: 'Why? (household:income)' }).click()
  expect(await page.locator('ul.tree').textContent()).toContain('Here by hand')
  expect(await barriers(page)).toEqual([])

  await page.getByRole('link', { name: 'Correct this household' }).click()
  await page.getByRole('button', { name: 'Take back (al)' }).click()
  await page.getByText('Nothing is corrected').waitFor()
  await page.getByLabel('User', { exact: true }).fill('mia')
  await page.getByLabel('With nobody').check()
  await page.getByRole('button', { name: 'Correct' }).click()
  await page.getByRole('link', { name: 'mia' }).waitFor()
  await expect
    .poll(async () => {
      await page.goto(pageOf('mia'))
      return page.textContent('body')
    })
    .toContain('kept alone by hand')
  expect(await barriers(page)).toEqual([])
  expect(desk.complaints).toEqual([])
})
