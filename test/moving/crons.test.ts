import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createTriggers } from '../../src/moving/triggers.ts'
import { keeping, tick } from '../support/bindings.ts'
import { settled } from '../support/settled.ts'
import { emptyTables } from '../support/store.ts'
import { allWritten } from '../support/taken.ts'
import { mondayIn } from '../support/identity.ts'
import { twinsOf } from '../support/twin.ts'
import { prepareShards, rowsIn } from './scene.ts'

const crons = ['0 3 * * MON', '0 4 * * *', '*/5 * * * *', '* * * * *']

beforeAll(async () => void (await prepareShards()))
afterEach(() => void vi.useRealTimers())

/** Tables whose rows of other workspaces a cron has changed. */
const tablesOf = (rows: Set<string>) =>
  [...new Set([...rows].map((row) => row.split(' ')[0] ?? ''))].sort()

describe('the crons of a shard', () => {
  it('leave alone whom it has a copy of, and do their work for others', async () => {
    await emptyTables()
    const { team } = await settled()
    await allWritten()
    await env.DB.prepare("UPDATE audiences SET refresh = 'daily'").run()
    const own = await rowsIn(env.DB)
    await twinsOf(team.workspace, [team.workspace + 1000, team.workspace + 2000])
    const others = (await rowsIn(env.DB)).difference(own)
    const ofClients = (client: string, workspace: number) => [
      env.DB.prepare(
        `INSERT INTO console_sessions (hash, kind, client_id, created_at, expires_at)
         VALUES (?1, 'session', ?1, 1, 2)`,
      ).bind(client),
      env.DB.prepare(
        'INSERT INTO revocations (client_id, workspace_id, not_before) VALUES (?, ?, 1)',
      ).bind(client, workspace),
    ]
    await env.DB.batch(ofClients(team.client.id, team.workspace))
    const all = await rowsIn(env.DB)
    await env.DB.batch([
      ...ofClients('another', 3),
      env.DB.prepare(
        "INSERT INTO fences (workspace_id, state, until) VALUES (?, 'left', 4503599627370496)",
      ).bind(team.workspace),
      ...createTriggers(team.workspace).map((text) => env.DB.prepare(text)),
    ])
    const files = await filesOf(team.workspace)
    vi.setSystemTime(mondayIn(90))
    const { bound } = keeping()
    for (const cron of crons) await tick(cron, bound)
    const after = await rowsIn(env.DB)
    expect([...all.difference(others).difference(after)]).toEqual([])
    expect([...after.difference(all)].filter(isOf(team.workspace))).toEqual([])
    expect(await filesOf(team.workspace)).toEqual(files)
    // Whatever a cron changes of the copy, it changes of these.
    expect(tablesOf(others.difference(after))).toEqual([
      ...['audiences', 'deliveries', 'delivery_attempts', 'erased_people', 'erasures', 'events'],
      ...['experiment_balances', 'group_definitions', 'resumable_uploads'],
    ])
  })
})

const isOf = (workspace: number) => (row: string) => row.includes(`"workspace_id":${workspace},`)

const filesOf = async (workspace: number) =>
  (await env.FILES.list()).objects.flatMap(({ key }) =>
    key.includes(`/${workspace}/`) ? [key] : [],
  )
