import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { fireCron, mondayIn } from '../local/clock.ts'
import { getToken, Groups, registerClient, type Client } from '../local/api.ts'
import { linkOf } from '../local/console.ts'
import { temporaryFolder } from '../local/folder.ts'
import { Platform } from '../local/platform.ts'
import { main } from '../local/program.ts'
import { startServer, type Server } from '../local/server.ts'
import { customers, pieces } from '../local/uploads.ts'
import { browserProgram, startBrowser } from './browser.ts'

const people = {
  jane: { address: '12 Elm Street', age: 17 },
  john: { address: '12 Elm Street', age: 40, has_dog: true, income: 52_000 },
  mia: { address: '12 Elm Street', age: 38, income: 61_000 },
}

/**
 * `npm run pictures`: those of README, from the real pages with the data below; with `--all DIR`, each
 * page at three widths in both colours, for whoever wants to look at the console as a whole.
 */
await main(async () => {
  const { values } = parseArgs({ options: { all: { type: 'string' } } })
  const server = await startServer({ stateDir: temporaryFolder(), vars: { DEFINITIONS_MAX: '5' } })
  const browser = await startBrowser(await browserProgram())
  const client = await registerClient(server.url, server.adminToken, 'Mara Lindqvist')
  const places = await furnish(server, client)
  if (values.all === undefined) await forReadme(browser, server, client, places)
  else await lookAt(browser, { server, client, places, to: resolve(values.all) })
  await browser.close()
  await server.stop()
  return 0
})

type Places = Record<string, string>

/** A bank with something on every page, and the pages by name. */
async function furnish({ url }: Server, client: Client): Promise<Places> {
  const token = await getToken(url, client)
  const groups = new Groups(url, token)
  const platform = new Platform(url, client, token)
  const send = async (
    group: string,
    type: 'ADD' | 'REMOVE' | 'REPLACE',
    ids: string[],
    name: string,
  ) =>
    (
      await groups.finished(
        await groups.upload(group, {
          ...{ type, name },
          content: pieces(Buffer.from(`ParticipantId\n${ids.join('\n')}\n`)),
        }),
        50,
      )
    ).jobId
  const early = await groups.create('Early adopters')
  await groups.create('Beta testers, branch Göteborg')
  const gold = await groups.create('Gold cards 2026')
  await send(gold, 'ADD', customers(0, 4_200), 'gold-cards.csv')
  await groups.guard(early, 20)
  await send(early, 'ADD', customers(0, 31_000), 'pilot-march.csv')
  await send(early, 'ADD', customers(31_000, 44_500), 'pilot-april.csv')
  await send(early, 'REMOVE', customers(2_000, 4_300), 'left-in-april.csv')
  await send(early, 'REPLACE', customers(3_000, 52_900), 'pilot-may.csv')
  await send(early, 'ADD', ['=cmd|x', 'ann,gold', ...customers(52_900, 53_000)], 'late-ones.csv')
  for (const [user, attributes] of Object.entries(people))
    await platform.merge({ user, attributes })
  for (let i = 0; i < 300; i++)
    await platform.merge({
      user: customers(i, i + 1)[0] ?? '',
      attributes: {
        address: `${Math.ceil(i / 3)} Oak Road`,
        age: 20 + (i % 50),
        has_dog: i % 4 === 0,
      },
    })
  await platform.define({
    id: 'household',
    description: 'People at one address',
    source_user_attribute: 'address',
    attributes: [
      { id: 'has_dog', type: 'boolean_or' },
      { id: 'income', type: 'sum' },
    ],
  })
  for (const weeks of [1, 2, 3]) {
    await fireCron(url, '0 3 * * MON', mondayIn(weeks))
    const [run] = await platform.runs('household')
    if (run !== undefined) await platform.finished('household', run.id, 100)
  }
  const rule = {
    operator: 'and',
    expressions: [
      { operator: 'equals', attribute: 'household:has_dog', value: true },
      { operator: 'greater_than', attribute: 'age', value: 30 },
    ],
  }
  await platform.createAudience({
    id: 'dogs',
    name: 'Dog in the household',
    rule,
    refresh: 'weekly',
  })
  const dogs = await groups.create('Coupon for dogs')
  await platform.attach('dogs', dogs)
  await groups.finished(await platform.sync('dogs'), 50)
  await platform.createExperiment({
    id: 'checkout-button',
    name: 'Colour of the button',
    group_id: early,
    variants: [
      { id: 'control', weight: 5000, value: 'blue' },
      { id: 'treatment', weight: 5000, value: 'green' },
    ],
    traffic: 2000,
  })
  await platform.startExperiment('checkout-button')
  await platform.balance('checkout-button')
  const wrong = await send(early, 'REPLACE', customers(30_000, 60_000), 'pilot-june.csv')
  return {
    groups: '/console/groups',
    group: `/console/groups/${early}`,
    upload: `/console/groups/${gold}/upload`,
    settings: `/console/groups/${early}/settings`,
    job: `/console/jobs/${wrong}`,
    people: '/console/people?id=jane',
    households: '/console/households',
    household: '/console/households/household',
    audiences: '/console/audiences',
    audience: '/console/audiences/dogs',
    'new-audience': '/console/audiences/-/new',
    experiments: '/console/experiments',
    experiment: '/console/experiments/checkout-button',
    webhooks: '/console/webhooks',
    activity: '/console/activity',
    usage: '/console/usage',
    clients: '/console/settings',
    reference: '/console/reference',
  }
}

async function signIn(
  browser: Browser,
  server: Server,
  client: Client,
  options: object,
): Promise<Page> {
  const page = await (await browser.newContext({ baseURL: server.url, ...options })).newPage()
  await page.goto(await linkOf(server.url, client))
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL('**/console/groups')
  return page
}

async function forReadme(browser: Browser, server: Server, client: Client, places: Places) {
  const page = await signIn(browser, server, client, { viewport: { width: 1120, height: 640 } })
  for (const name of ['job', 'experiment']) {
    await page.goto(places[name] ?? '')
    await page.waitForTimeout(500)
    await page.screenshot({ path: join(import.meta.dirname, `${name}.png`) })
  }
}

interface Look {
  server: Server
  client: Client
  places: Places
  to: string
}

async function lookAt(browser: Browser, { server, client, places, to }: Look) {
  mkdirSync(to, { recursive: true })
  for (const width of [360, 900, 1280])
    for (const colorScheme of ['light', 'dark'] as const) {
      const viewport = { width, height: 800 }
      const page = await signIn(browser, server, client, { viewport, colorScheme })
      for (const [name, path] of Object.entries(places)) {
        await page.goto(path)
        await page.waitForTimeout(name === 'reference' ? 3000 : 200)
        await page.screenshot({
          path: join(to, `${name}-${width}-${colorScheme}.png`),
          fullPage: true,
        })
      }
    }
}
