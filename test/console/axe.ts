import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** What stands in the way of somebody who reads, hears or moves otherwise (WCAG 2.2 AA), by axe-core. */
export async function barriers(page: Page): Promise<string[]> {
  // As a debugger does: the page's policy lets no code in but its own.
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: axe.source })
  await session.detach()
  const found = await page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') } // put there above
    const { violations } = await axe.run({ runOnly: tags })
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  })
  return found
}
