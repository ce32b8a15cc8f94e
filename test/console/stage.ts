import { linkOf } from '../local/console.ts'
import { getToken, Groups, registerClient, type Client } from '../local/api.ts'
import { Platform } from '../local/platform.ts'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { inject } from 'vitest'
import { startBrowser } from './browser.ts'

/** Of this worker, for all of its files: each word to a shared one would be read twice. */
const browser = startBrowser(inject('browser'))

/** Of this worker, which counts by itself. */
let workspaces = 1000 * Number(process.env['VITEST_POOL_ID'] ?? 1)

/** A workspace of its own, its APIs, and a browser that is signed in to its console. */
export interface Desk {
  url: string
  client: Client
  token: string
  groups: Groups
  platform: Platform
  /** A page of a browser of its own, which is signed in. */
  open: (path?: string, options?: BrowserContextOptions) => Promise<Page>
  /** What browsers have complained about: errors, violations of the policy, requests to other hosts. */
  complaints: string[]
}

export async function newDesk(
  name = 'Mara',
  scopes?: readonly string[],
  workspace = ++workspaces,
): Promise<Desk> {
  const [url, adminToken] = [inject('url'), inject('adminToken')]
  const client = await registerClient(url, adminToken, name, {
    workspace,
    ...(scopes && { scopes }),
  })
  const token = await getToken(url, client)
  const complaints: string[] = []
  const open = async (path = '/console/groups', options: BrowserContextOptions = {}) => {
    const context = await (await browser).newContext({ baseURL: url, ...options })
    const [page, link] = await Promise.all([context.newPage(), linkOf(url, client)])
    listen(page, url, complaints)
    // What the link's button sends.
    await context.request.post(link, { maxRedirects: 0 })
    await page.goto(path)
    return page
  }
  const [groups, platform] = [new Groups(url, token), new Platform(url, client, token)]
  return { url, client, token, groups, platform, open, complaints }
}

function listen(page: Page, url: string, complaints: string[]): void {
  page.on('console', (message) => {
    // A refused form is answered by a status, which Chromium logs.
    const isStatus = /the server responded with a status of 4\d\d/.test(message.text())
    if (message.type() === 'error' && !isStatus) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== url) complaints.push(`asked ${request.url()}`)
  })
}

/** How wide a page is with its style, of which a phone shows a part. */
export async function widthOf(page: Page): Promise<number> {
  await page.waitForLoadState('load')
  return page.locator('html').evaluate(({ scrollWidth }: { scrollWidth: number }) => scrollWidth)
}
