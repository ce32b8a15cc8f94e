import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { backup } from 'node:sqlite'
import { exportUsers } from '../../src/audiences/export.ts'
import type { ResolvedRule } from '../../src/audiences/compile.ts'
import { countUsers, listUsers } from '../../src/audiences/query.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import type { Db } from '../../src/db/connect.ts'
import { Groups } from '../local/api.ts'
import { send } from '../local/http.ts'
import type { Platform, Report } from '../local/platform.ts'
import { startServer } from '../local/server.ts'
import { bareConfig } from './bare.ts'
import { openTown, prepareState } from './households.ts'
import { formAtOnce, household } from './one-shot.ts'
import { plainDb } from './plain-db.ts'
import { randomUsers } from './population.ts'
import { median, type Row } from './row.ts'
import { openStore } from './store.ts'
import { trip } from './trip.ts'
import { inTurn, request } from './turns.ts'
import { WorkerLog } from './worker-log.ts'

const full = { users: 300_000, members: 100_000, rounds: 3, pages: 30, syncs: 7 }

/** The first of a server. */
const definition = 1

const page = 1000
/** Milliseconds between two polls of a job. */
const every = 50

const rules: Record<string, Rule> = {
  own: { operator: 'greater_than', attribute: 'age', value: 60 },
  inherited: { operator: 'equals', attribute: 'household:has_dog', value: true },
  'any member': {
    operator: 'any_member',
    group: 'household',
    expression: { operator: 'greater_than', attribute: 'spend', value: 900 },
  },
}

/** Rules over many users beside node:sqlite, one user's membership, and a sync. */
export async function audiences(folder: string, size = full): Promise<Row[]> {
  const [stateDir, copy] = [join(folder, 'state'), join(folder, 'plain.sqlite')]
  const users = randomUsers(size.users).map(({ user, attributes }, i): Report => ({
    user,
    attributes: i < size.members ? { ...attributes, plan: 'gold' } : attributes,
  }))
  await prepareState(stateDir, users)
  const store = openStore(stateDir)
  formAtOnce(store, definition)
  await backup(store, copy)
  store.close()

  const { server, platform, token } = await openTown(stateDir)
  const bare = await startServer({ stateDir, config: bareConfig })
  const select = () => request(`${bare.url}/select`, {}, 200)
  const plain = plainDb(copy)
  const names = {
    definitions: new Map([[household.id, { key: definition, attributes: household.attributes }]]),
    groups: new Set<string>(),
  }
  const rows: Row[] = []
  for (const [name, rule] of Object.entries(rules))
    rows.push(
      ...(await questions(
        server.url,
        token,
        platform,
        plain,
        select,
        { id: name.replace(' ', '-'), name, resolved: { rule, names } },
        size,
      )),
    )
  await bare.stop()
  rows.push(await membership(stateDir, token, users[0]?.user ?? ''))

  const file = join(folder, 'gold.csv')
  writeFileSync(
    file,
    users
      .slice(0, size.members)
      .map(({ user }) => `${user}\n`)
      .join(''),
  )
  rows.push(await syncs(new Groups(server.url, token), platform, file, size))
  await server.stop()
  return rows
}

interface Case {
  id: string
  name: string
  resolved: ResolvedRule
}

/**
 * Times each query on the Worker, node:sqlite and a bare Worker, in turn. Throws where answers
 * differ.
 */
async function questions(
  url: string,
  token: string,
  platform: Platform,
  plain: Db,
  select: () => Promise<void>,
  { id, name, resolved }: Case,
  { rounds, pages }: typeof full,
): Promise<Row[]> {
  await platform.createAudience({ id, name, rule: resolved.rule, refresh: 'on_demand' })
  const path = `${url}/platform/workspaces/1/audiences/${id}`
  const get = async (path: string, accept = 'application/json') =>
    (
      await send(`GET ${path}`, path, {
        headers: { Authorization: `Bearer ${token}`, Accept: accept },
      })
    ).text()
  const kinds: [
    kind: string,
    times: number,
    ours: () => Promise<string>,
    theirs: () => Promise<string>,
  ][] = [
    [
      'count',
      rounds,
      () => get(`${path}/count`),
      async () => JSON.stringify({ count: await countUsers(plain, 1, resolved) }),
    ],
    [
      'first page',
      pages,
      () => get(`${path}/users?size=${page}`),
      async () => {
        const { users, next = null } = await listUsers(plain, 1, resolved, {
          after: '',
          size: page,
        })
        return JSON.stringify({ users, next })
      },
    ],
    [
      'export',
      rounds,
      () => get(`${path}/users`, 'text/csv'),
      () => new Response(exportUsers(plain, 1, resolved, { after: '' })).text(),
    ],
  ]
  const rows: Row[] = []
  for (const [kind, times, ours, theirs] of kinds) {
    if ((await ours()) !== (await theirs()))
      throw new Error(`The ${kind} of ${name} is not what node:sqlite says`)
    const [mine = [], plainly = [], empty = []] = await inTurn(times, [
      async () => void (await ours()),
      async () => void (await theirs()),
      select,
    ])
    const row = {
      beside: 'node:sqlite',
      baseline: median(plainly),
      unit: 'ms',
      by: 'ratio',
    } as const
    rows.push({ figure: `${name}: ${kind}`, measured: median(mine), ...row, most: 1.5 })
    if (kind !== 'first page') continue
    // The query is so short that the way to Worker and database dominates.
    rows.push({
      figure: `${name}: beyond a SELECT 1`,
      measured: median(mine) - median(empty),
      ...row,
    })
    rows.push({
      figure: `${name}: a bare SELECT 1`,
      measured: median(empty),
      beside: '',
      baseline: 0,
      unit: 'ms',
      by: 'itself',
    })
  }
  return rows
}

/** The most rows that it reads for one user's membership in each audience. */
async function membership(stateDir: string, token: string, user: string): Promise<Row> {
  const log = new WorkerLog()
  const server = await startServer({ stateDir, onLine: log.add })
  const ids = ['own', 'inherited', 'any-member']
  for (const id of ids)
    await request(
      `${server.url}/platform/workspaces/1/audiences/${id}/users/${user}`,
      { Authorization: `Bearer ${token}` },
      200,
    )
  const read = Math.max(
    ...(await log.rowsRead('/audiences/:audience_id/users/:user_id', ids.length)),
  )
  await server.stop()
  return {
    figure: "one user's membership",
    measured: read,
    beside: '',
    baseline: 0,
    unit: 'rows',
    by: 'itself',
    most: 49,
  }
}

/** A REPLACE of an empty group, by the audience and by a file, in turn. */
async function syncs(
  groups: Groups,
  platform: Platform,
  file: string,
  { members, syncs: rounds }: typeof full,
): Promise<Row> {
  await platform.createAudience({
    id: 'gold',
    name: 'Gold',
    rule: { operator: 'equals', attribute: 'plan', value: 'gold' },
    refresh: 'on_demand',
  })
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let i = 0; i <= rounds; i++) {
    const [synced, uploaded] = [
      await groups.create(randomUUID()),
      await groups.create(randomUUID()),
    ]
    await platform.attach('gold', synced)
    const start = performance.now()
    const job = await groups.finished(await platform.sync('gold'), every)
    const seconds = (performance.now() - start) / 1000
    if (job.addedCount !== members)
      throw new Error(`A sync of ${members} users ended as ${JSON.stringify(job)}`)
    const upload = await trip(groups, uploaded, { type: 'REPLACE', file, every })
    // The first of each warms up.
    if (i === 0) continue
    ours.push(seconds)
    theirs.push(upload.seconds)
  }
  return {
    figure: `sync of ${members}`,
    measured: median(ours),
    beside: 'upload',
    baseline: median(theirs),
    unit: 's',
    by: 'ratio',
    most: 1.2,
  }
}
