import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { isMoving } from '../../src/failure.ts'
import type { Move } from '../../src/moving/moves.ts'
import { runs } from '../support/property.ts'
import { settled } from '../support/settled.ts'
import { emptyTables } from '../support/store.ts'
import { allWritten } from '../support/taken.ts'
import { twinsOf } from '../support/twin.ts'
import { installation, moveOf, prepareShards, rowsIn, shards } from './scene.ts'
import { write } from './writes.ts'

const day = 86_400_000

/** Where the workspace is, and what else is there. */
let workspace: number
let home = 0
const others: Set<string>[] = [new Set(), new Set(), new Set()]

const shard = (k: number) => shards()[k] ?? env.DB
const othersOn = (k: number) => others[k] ?? new Set()
const ownOn = async (k: number) => (await rowsIn(shard(k))).difference(othersOn(k))
const list = (rows: Set<string>) => [...rows].sort()

beforeAll(async () => {
  await prepareShards()
  await emptyTables()
  const { team } = await settled()
  await allWritten()
  workspace = team.workspace
  const own = await rowsIn(env.DB)
  await twinsOf(workspace, [workspace + 1000, workspace + 2000])
  others[0] = (await rowsIn(env.DB)).difference(own)
}, 60_000)

/** What happens at a call of a database. */
const happening = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('dies before', 'loses its answer', 'sleeps', 'a twin') },
  { weight: 3, arbitrary: write },
  { weight: 1, arbitrary: fc.constant('another’s row') },
)
const history = fc.record({
  hop: fc.constantFrom(1, 2),
  happenings: fc.array(fc.tuple(fc.nat(60), happening), { maxLength: 12 }),
  back: fc.option(fc.nat(250), { freq: 3 }),
})

const crash = () => new Error('D1_ERROR: Network connection lost.')
const isCrash = (error: unknown): boolean =>
  error instanceof Error && (/Network connection lost/.test(error.message) || isCrash(error.cause))

/** A row of another workspace, which the shard numbers. */
async function insertOther(k: number): Promise<void> {
  const row = await shard(k)
    .prepare(
      `INSERT INTO events (workspace_id, id, type, at, data) VALUES (?, ?, 'group.created', 1, '{}') RETURNING *`,
    )
    .bind(9_000_000 + k, crypto.randomUUID())
    .first()
  others[k] = othersOn(k).union(new Set([`events ${JSON.stringify(row)}`]))
}

async function live({
  hop,
  happenings,
  back,
}: {
  hop: number
  happenings: [number, string | ((workspace: number) => string[])][]
  back: number | null
}): Promise<void> {
  const [source, target] = [home, (home + hop) % 3]
  const one = installation()
  const move = await one.open(workspace, target)
  const asleep: Promise<unknown>[] = []
  let wake = () => {}
  const awake = new Promise<void>((resolve) => (wake = resolve))
  let fell: (() => void) | undefined
  const left = [...happenings]
  let [calls, next] = [0, left[0]?.[0]]
  one.meanwhile(async (_, run) => {
    if (++calls === back) await installation().back(move)
    if (next === undefined || next-- > 0) return run()
    const [, what] = left.shift() ?? []
    next = left[0]?.[0]
    if (typeof what === 'function') await written(what, source)
    if (what === 'another’s row') await insertOther(target)
    if (what === 'a twin') asleep.push(settledRun(installation(), move))
    if (what === 'dies before') throw crash()
    if (what === 'loses its answer') {
      await run()
      throw crash()
    }
    if (what === 'sleeps') {
      fell?.()
      await awake
    }
    return run()
  })
  const until = async (...states: string[]) => {
    for (let tries = 0; tries < 200; tries++) {
      const { state } = await moveOf(move)
      if (states.includes(String(state))) return String(state)
      const fallen = new Promise<void>((resolve) => (fell = resolve))
      const running = settledRun(one, move)
      asleep.push(running)
      await Promise.race([running, fallen])
      one.pass(10_000)
    }
    throw new Error(`it does not end: ${JSON.stringify(await moveOf(move))}`)
  }
  const end = await until('moved', 'cancelled')
  const own = await ownOn(source)
  if (end === 'moved') {
    expect(list(await ownOn(target))).toEqual(list(own))
    home = target
    one.pass(day)
    await until('complete')
  }
  const now = async () => [await ownOn(0), await ownOn(1), await ownOn(2)].map(list)
  const expected = [0, 1, 2].map((k) => (k === home ? list(own) : []))
  expect(await now()).toEqual(expected)
  one.meanwhile((_, run) => run())
  wake()
  await Promise.all(asleep)
  expect(await now()).toEqual(expected)
  for (const db of shards()) {
    const triggers = db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    expect((await triggers.all()).results).toEqual([])
  }
}

const settledRun = (one: ReturnType<typeof installation>, move: Move) =>
  one.run(move).catch((error: unknown) => {
    if (!isCrash(error)) throw error
  })

/** A write to where the workspace lives, which it may have to wait for. */
async function written(what: (workspace: number) => string[], k: number): Promise<void> {
  const db = shard(k)
  await db.batch(what(workspace).map((text) => db.prepare(text))).catch((error: unknown) => {
    if (!isMoving(error)) throw error
  })
}

it('moves all rows or none, whatever happens meanwhile', { timeout: 100_000 }, async () => {
  await fc.assert(fc.asyncProperty(history, live), { ...runs(12), endOnFailure: true })
})
