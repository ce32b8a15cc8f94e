import { hash } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, Groups, registerClient, type Client, type UploadType } from './api.ts'
import { fireCron } from './clock.ts'
import { dim, green, red } from './colour.ts'
import { during } from './during.ts'
import { Expectations } from './expectations.ts'
import { temporaryFolder } from './folder.ts'
import { answer } from './http.ts'
import { Platform } from './platform.ts'
import { freePort } from './port.ts'
import { main } from './program.ts'
import { startServer, type Server, type ServerOptions } from './server.ts'
import { countsOf, giveUp, leave, membersOf } from './under-way.ts'
import { unpack } from './version.ts'

/** So many participants of a file, and users. */
const many = 20_000

/** Little at a time, so that a stop meets work under way. */
const vars = { SLICE_BYTES: '4096', USERS_PER_STEP: '200', DEFINITIONS_MAX: '1' }

const people = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `p${String(from + i).padStart(6, '0')}`)

const home = (i: number) => `home-${Math.floor(i / 4)}`
const town = (i: number) => (i % 2 === 0 ? 'Ulm' : 'Bonn')

const usersWith = (columns: string, cells: (i: number) => string) =>
  `user_id,${columns}\n${people(0, many)
    .map((id, i) => `${id},${cells(i)}\n`)
    .join('')}`

async function* bytes(text: string) {
  yield Buffer.from(text)
}

/** A client of whichever version runs now. */
class Customer {
  readonly groups: Groups
  readonly platform: Platform
  readonly ids = new Map<string, string>()

  constructor(url: string, client: Client, token: string) {
    this.groups = new Groups(url, token)
    this.platform = new Platform(url, client, token)
  }

  async group(name: string): Promise<void> {
    this.ids.set(name, await this.groups.create(name))
  }

  upload(name: string, type: UploadType, ids: string[]): Promise<string> {
    const content = bytes(`${ids.join('\n')}\n`)
    return this.groups.upload(this.ids.get(name) ?? '', { type, name: 'people.csv', content })
  }

  async applied(name: string, ids: string[]): Promise<void> {
    await this.group(name)
    await this.groups.finished(await this.upload(name, 'ADD', ids), 50)
  }

  users(columns: string, cells: (i: number) => string): Promise<string> {
    return this.platform.sendUsers(bytes(usersWith(columns, cells)))
  }

  /** A group that an audience is to fill, and the sync that does. */
  async filled(name: string): Promise<void> {
    await this.group(name)
    const rule = { operator: 'equals', attribute: 'town', value: 'Ulm' }
    await this.platform.createAudience({ id: name, name, rule, refresh: 'on_demand' })
    await this.platform.attach(name, this.ids.get(name) ?? '')
    await this.platform.sync(name)
  }
}

/** What each version finds done when it begins the rest. */
async function prepare(customer: Customer): Promise<void> {
  const { platform } = customer
  await Promise.all(
    ['removed', 'replaced', 'undone'].map((name) => customer.applied(name, people(0, many))),
  )
  await customer.group('added')
  await platform.imported(await customer.users('home,town', (i) => `${home(i)},${town(i)}`), 50)
  const attributes = [{ id: 'town', type: 'latest' as const }]
  const household = { id: 'household', description: '', source_user_attribute: 'home' }
  await platform.define({ ...household, attributes })
}

/** Begins one of each kind. Gives the job that is to be given up. */
async function begin(customer: Customer): Promise<string> {
  await customer.upload('added', 'ADD', people(0, many))
  await customer.upload('removed', 'REMOVE', people(0, many - 10))
  await customer.upload('replaced', 'REPLACE', people(many / 2, many + many / 2))
  const undone = await customer.upload('undone', 'REMOVE', people(0, many))
  await customer.users('mark1', () => 'yes')
  await customer.filled('synced')
  await customer.platform.recompute('household')
  return undone
}

/** The same by a version that has taken over: more of each kind, some behind what is under way. */
async function beginMore(customer: Customer, turn: number): Promise<void> {
  await customer.upload('added', 'ADD', people(turn * many, (turn + 1) * many))
  await customer.users(`mark${turn + 1}`, () => 'yes')
  await customer.filled(`synced ${turn}`)
  await customer.platform.recompute('household')
}

/** A receiver of events that refuses all events until `takes` is set. */
async function receiver() {
  const received = { takes: false, events: 0 }
  const server = createServer((request, response) => {
    request.resume()
    if (received.takes) received.events++
    response.writeHead(received.takes ? 204 : 503).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The receiver has no port')
  server.unref()
  return { received, url: `http://127.0.0.1:${address.port}` }
}

const inUlm = people(0, many).filter((_, i) => town(i) === 'Ulm')

/** What is in each group in the end. */
const expected = {
  added: people(0, 3 * many),
  removed: people(many - 10, many),
  replaced: people(many / 2, many + many / 2),
  undone: people(0, many),
  synced: inUlm,
  'synced 1': inUlm,
  'synced 2': inUlm,
}

/** Each member list as its length, ends and hash: what differs is shown in a line. */
const short = (members: Record<string, string[]>) =>
  Object.fromEntries(
    Object.entries(members).map(([name, ids]) => [
      name,
      [ids.length, ids[0], ids.at(-1), hash('sha1', ids.join())].join(' '),
    ]),
  )

const kinds = ['add added', 'remove removed', 'replace replaced', 'remove undone', 'sync synced']
const allKinds = [...kinds, 'users users', 'recompute', 'delivery']

/** Stops a version in the midst of its work, and tells what it leaves. */
async function stopMidway(server: Server, stateDir: string): Promise<string[]> {
  await server.stop()
  const left = leave(stateDir)
  const shown = left.map(({ name, state, step }) => `${name}: ${state}, step ${step}`)
  console.log(dim(`  left: ${shown.join('; ')}`))
  return left.map(({ name }) => name)
}

/**
 * `npm run two-versions -- <commit>`: that version begins work, this one goes on with it and begins
 * more, and that one ends it. Exits with 0 only if all is well.
 */
await main(async () => {
  const [commit] = process.argv.slice(2)
  if (commit === undefined) throw new Error('Which version? npm run two-versions -- <commit>')
  const folder = temporaryFolder()
  const formerConfig = unpack(join(folder, 'former'), commit)
  const config = unpack(join(folder, 'this'))
  const stateDir = join(folder, 'state')
  const common: ServerOptions = { stateDir, port: await freePort(), vars, during }
  const former = { ...common, config: formerConfig }
  const expect = new Expectations()
  const { received, url: hook } = await receiver()

  console.log(`\nThe version of ${commit} begins`)
  let server = await startServer({ ...former, migrations: formerConfig })
  // Those that the former version knows.
  const { scopes_supported: scopes } = await answer<{ scopes_supported: string[] }>(
    'the scopes',
    `${server.url}/.well-known/oauth-authorization-server`,
    {},
  )
  const client = await registerClient(server.url, server.adminToken, 'two versions', { scopes })
  const customer = new Customer(server.url, client, await getToken(server.url, client))
  await prepare(customer)
  await customer.platform.openWebhook(hook, 'group.created')
  const undone = await begin(customer)
  await begun(customer)
  const left = await stopMidway(server, stateDir)
  const missing = allKinds.filter((kind) => !left.includes(kind))
  expect.compare('kinds that had ended already', { missing }, { missing: [] })
  giveUp(stateDir, undone)

  console.log('\nThis version takes over')
  server = await startServer({ ...common, config })
  await fireCron(server.url, '*/5 * * * *')
  await beginMore(customer, 1)
  await sleep(2000)
  await stopMidway(server, stateDir)

  console.log('\nThe former takes it back')
  received.takes = true
  server = await startServer(former)
  await beginMore(customer, 2)
  await fireCron(server.url, '*/5 * * * *')
  await fireCron(server.url, '* * * * *')
  await during('All that is under way', () => ended(customer))
  for (let i = 0; received.events < 3 && i < 100; i++) await sleep(100)
  await server.stop()

  expect.compare('members', short(membersOf(stateDir)), short(expected))
  expect.compare('counts', countsOf(stateDir), {
    ...{ jobsUnended: 0, jobsOtherwise: 0, jobsFailed: 1, runsUnsuccessful: 0, undelivered: 0 },
    ...{ users: many, marks: 3 * many, seated: many, households: many / 4, shared: many / 4 },
  })
  for (const difference of expect.differences) console.error(red(`✗ ${difference}`))
  if (expect.differences.length > 0) return 1
  console.log(green(`✓ Of what either version began, the other lost nothing.`))
  return 0
})

/** Waits until all has begun, or as many jobs as a workspace may have under way, and no more do. */
async function begun({ groups, platform }: Customer): Promise<void> {
  for (let before = NaN; ;) {
    const jobs = (await groups.jobs()).map(({ jobStatus }) => jobStatus)
    const imports = (await platform.imports()).map(({ status }) => status)
    const waiting = [...jobs, ...imports].filter((status) => status === 'CREATED').length
    const runs = await platform.runs('household')
    const isSteady = waiting === 0 || (waiting === before && waiting <= 2)
    if (isSteady && runs.every(({ status }) => status !== 'CREATED')) return
    before = waiting
    await sleep(20)
  }
}

/** Waits until nothing is under way. */
async function ended({ groups, platform }: Customer): Promise<void> {
  for (const { jobId } of await groups.jobs()) await groups.finished(jobId, 100)
  for (const { id } of await platform.runs('household'))
    await platform.finished('household', id, 100)
  for (const { id } of await platform.imports()) await platform.imported(id, 100)
}
