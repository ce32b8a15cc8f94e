import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { tables } from '../../src/moving/tables.ts'
import { emptyTables } from '../support/store.ts'
import { installation, moveOf, prepareShards, rowsIn, shards, until } from './scene.ts'

const [workspace, other] = [61, 62]

beforeAll(async () => void (await prepareShards()))

function shard(k: number): D1Database {
  const db = shards()[k]
  if (db === undefined) throw new Error('there is no such shard')
  return db
}

/** The key that a new event of a workspace gets. */
async function keyOfNext(k: number, workspace: number): Promise<number> {
  const key = await shard(k)
    .prepare(
      `INSERT INTO events (workspace_id, id, type, at, data)
        VALUES (?, ?, 'group.created', 1, '{}') RETURNING key`,
    )
    .bind(workspace, crypto.randomUUID())
    .first<number>('key')
  return Number(key)
}

/** A workspace with a client and an event. */
async function settle(k: number, workspace: number): Promise<void> {
  await shard(0)
    .prepare('INSERT INTO places (workspace_id, shard, changed_at) VALUES (?, ?, 1)')
    .bind(workspace, k)
    .run()
  await shard(k)
    .prepare(
      `INSERT INTO clients (id, workspace_id, name, scopes, secret_hash, created_at)
        VALUES (?2, ?1, '', '[]', '', 1)`,
    )
    .bind(workspace, crypto.randomUUID())
    .run()
  await keyOfNext(k, workspace)
}

beforeEach(async () => {
  await emptyTables()
  await settle(0, workspace)
  await settle(2, other)
})

describe('a move to where another workspace leaves', () => {
  it('waits, so that no two shards number their rows alike', async () => {
    const one = installation({ REVOCATIONS_SECONDS: 60 })
    const away = await one.open(workspace, 1)
    await one.run(away)
    const here = await one.open(other, 0)
    await one.run(here)
    expect(await moveOf(away)).toMatchObject({ state: 'copying' })
    const before = await keyOfNext(0, workspace)
    await until(one, away, 'moved')
    await until(one, here, 'moved')
    const after = await keyOfNext(1, workspace)
    expect(after).toBeGreaterThan(before)
    // Those of the other workspace are of a later range.
    expect(await keyOfNext(0, other)).toBeGreaterThan(after + 2 ** 35)
  })

  it('goes back while it waits', async () => {
    const one = installation()
    await one.open(workspace, 1)
    const here = await one.open(other, 0)
    await one.run(here)
    await one.back(here)
    await until(one, here, 'cancelled')
    expect(await moveOf(here)).toMatchObject({ state: 'cancelled' })
    expect([...(await rowsIn(shard(2)))]).toHaveLength(2)
  })
})

describe('a move that goes back', () => {
  it('leaves no row of a range that is still being copied', async () => {
    const [copier, back] = [installation(), installation()]
    const move = await copier.open(workspace, 1)
    const [reached, woken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let calls = 0
    copier.meanwhile(async (k, run) => {
      if (k !== 1 || ++calls !== 4) return run()
      reached.resolve()
      await woken.promise
      return run()
    })
    const copying = copier.run(move)
    await reached.promise
    await back.back(move)
    let deletions = 0
    back.meanwhile(async (k, run) => {
      // All tables are empty by then, and the copy is still fenced.
      if (k === 1 && (await moveOf(move))['state'] === 'returning' && ++deletions > tables.length) {
        woken.resolve()
        await scheduler.wait(500)
      }
      return run()
    })
    await until(back, move, 'cancelled')
    await copying
    expect([...(await rowsIn(shard(1)))]).toEqual([])
  })
})
