import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { CDPSession, Page } from 'playwright-core'

/** Smaller than what the package exports, and so sooner in the page. */
const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const options = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  // What is right is not described; there are no frames, and no rule of these reads style sheets.
  ...{ resultTypes: ['violations'], iframes: false, preload: false },
}

const found = `axe.run(${JSON.stringify(options)}).then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`

const sessions = new WeakMap<Page, Promise<CDPSession>>()

/** What stands in the way of somebody who reads, hears or moves otherwise (WCAG 2.2 AA), by axe-core. */
export async function barriers(page: Page): Promise<string[]> {
  // Sizes and colours come with the style.
  await page.waitForLoadState('load')
  // As a debugger does: the page's policy lets no code in but its own.
  const opened = sessions.get(page) ?? page.context().newCDPSession(page)
  sessions.set(page, opened)
  const { result, exceptionDetails } = await (
    await opened
  ).send('Runtime.evaluate', {
    expression: `${source};${found}`,
    awaitPromise: true,
    returnByValue: true,
  })
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description)
  return result.value as string[] // as `found` makes them
}
