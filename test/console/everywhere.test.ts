import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { linkOf } from '../local/console.ts'
import { barriers } from './axe.ts'
import { newDesk, widthOf } from './stage.ts'

/** The pages that the menu leads to, and the settings; of the reference there is a story of its own. */
async function placesOf(page: Page): Promise<string[]> {
  const links = await page
    .locator('.nav a')
    .evaluateAll((all) =>
      (all as unknown as { pathname: string }[]).map(({ pathname }) => pathname),
    )
  const found: string[] = []
  for (const path of links)
    if (path !== '/console/reference' && (await page.request.get(path)).ok()) found.push(path)
  return found
}

interface Box {
  scrollWidth: number
  clientWidth: number
}

const sideways = (all: unknown): boolean =>
  (all as Box[]).some(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth) // elements

it('bars nobody from a page, in the dark and on a phone', async () => {
  const { open, complaints } = await newDesk()
  const page = await open('/console/groups', {
    colorScheme: 'dark',
    viewport: { width: 360, height: 740 },
  })
  const places = await placesOf(page)
  expect(places.length).toBeGreaterThan(4)
  for (const path of places) {
    await page.goto(path)
    expect([path, await barriers(page)]).toEqual([path, []])
    expect([path, (await widthOf(page)) <= 360]).toEqual([path, true])
    // Nor does anything within it go sideways.
    expect([path, await page.locator('.scroll').evaluateAll(sideways)]).toEqual([path, false])
  }
  expect(complaints).toEqual([])
})

it('is entered by a link or a secret, and left', async () => {
  const { open, url, client, complaints } = await newDesk('<b>Mara</b>')
  const page = await open('/console/groups', { viewport: { width: 360, height: 740 } })
  await page
    .getByText(/^Workspace/)
    .first()
    .click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL('**/console/sign-in')
  expect(await barriers(page)).toEqual([])
  await page.goto('/console/usage')
  await page.getByLabel('Client id').fill(client.id)
  await page.getByLabel('Secret').fill('a guess')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').getByText('is not right, or has expired').waitFor()
  expect(await barriers(page)).toEqual([])
  await page.getByLabel('Secret').fill(client.secret)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/console/usage')
  await page.goto(await linkOf(url, client))
  expect(await barriers(page)).toEqual([])
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL('**/console/groups')
  await page.goto('/console/nowhere')
  expect(await barriers(page)).toEqual([])
  expect(complaints).toEqual([])
})

it('is walked through by the keyboard alone', async () => {
  const { open } = await newDesk()
  const page = await open()
  await page.keyboard.press('Tab')
  expect(await page.locator(':focus').innerText()).toBe('Skip to the content')
  const name = () => page.locator(':focus').innerText()
  for (let i = 0; i < 20 && (await name()) !== 'Webhooks'; i++) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/console/webhooks')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  expect(await name()).toBe('New webhook')
  const outline = await page
    .locator(':focus')
    .evaluate(
      (element) =>
        (
          globalThis as unknown as { getComputedStyle: (of: unknown) => { outlineStyle: string } }
        ).getComputedStyle(element).outlineStyle,
    )
  expect(outline).toBe('solid')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/console/webhooks/new')
  for (let i = 0; i < 20 && (await page.locator('#url:focus').count()) === 0; i++)
    await page.keyboard.press('Tab')
  await page.keyboard.type('http://127.0.0.1:9/in')
  await page.keyboard.press('Enter')
  await page.getByText('The webhook is made').waitFor()
})

it('sends nothing larger than 60 KB for a page with all that it needs', async () => {
  const { open } = await newDesk()
  const page = await open()
  const places = await placesOf(page)
  const assets = ['console.css', 'console.js', 'icon.svg'].map((one) => `/console/assets/${one}`)
  const sizeOf = async (path: string) => (await (await page.request.get(path)).body()).length
  const shared = (await Promise.all(assets.map(sizeOf))).reduce((sum, size) => sum + size, 0)
  // A full page has the other 35: see `api/console-cost`.
  expect(shared).toBeLessThan(25_000)
  expect(await sizeOf('/console/assets/console.css')).toBeLessThan(12_000)
  for (const path of places)
    expect([path, (await sizeOf(path)) + shared < 60_000]).toEqual([path, true])
})
