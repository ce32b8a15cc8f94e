import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { Failure, isMoving } from '../../src/failure.ts'
import type { Move } from '../../src/moving/moves.ts'
import { runs } from '../support/property.ts'
import { settled } from '../support/settled.ts'
import { emptyTables } from '../support/store.ts'
import { allWritten } from '../support/taken.ts'
import { twinsOf } from '../support/twin.ts'
import { installation, moveOf, prepareShards, rowsIn, shards } from './scene.ts'
import { write, type Write } from './writes.ts'

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

/** What happens at a call of a database; who sleeps wakes so many calls later, or at the end. */
const happening = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('dies before', 'loses its answer', 'a twin') },
  { weight: 3, arbitrary: write },
  { weight: 2, arbitrary: fc.record({ sleeps: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.constant('another’s row') },
)
type Happening = string | Write | { sleeps: number }

/** By how many calls they come after the one before: from the beginning, and while writers wait. */
const happenings = (calls: number) =>
  fc.array(fc.tuple(fc.nat(calls), happening), { maxLength: 10 })
const history = fc.record({
  hop: fc.constantFrom(1, 2),
  first: happenings(25),
  last: happenings(2),
  back: fc.option(fc.nat(400), { freq: 2 }),
})

interface History {
  hop: number
  first: [number, Happening][]
  last: [number, Happening][]
  back: number | null
}

const crash = () => new Error('D1_ERROR: Network connection lost.')
const isCrash = (error: unknown): boolean =>
  error instanceof Error && (/Network connection lost/.test(error.message) || isCrash(error.cause))

/** A move may be over when it is to go back. */
function unlessMoved(error: unknown): void {
  if (!(error instanceof Failure) || error.facts.reason !== 'move-state') throw error
}

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

async function live({ hop, first, last, back }: History): Promise<void> {
  const [source, target] = [home, (home + hop) % 3]
  const one = installation()
  const move = await one.open(workspace, target)
  const asleep: { until: number; wake: () => void }[] = []
  const running: Promise<unknown>[] = []
  let fell: (() => void) | undefined
  let [calls, ends] = [0, false]
  let left = [...first]
  let next = left[0]?.[0]
  const happens = async (what: Happening | undefined, run: () => Promise<unknown>) => {
    if (typeof what === 'function') await written(what, source)
    if (what === 'another’s row') await insertOther(target)
    if (what === 'a twin') running.push(settledRun(installation(), move))
    if (what === 'dies before') throw crash()
    if (typeof what === 'object') {
      const awake = new Promise<void>((wake) => asleep.push({ until: calls + what.sleeps, wake }))
      fell?.()
      await awake
    }
    const answer = await run()
    if (what === 'loses its answer') throw crash()
    return answer
  }
  one.meanwhile(async (k, run) => {
    if (++calls === back) await installation().back(move).catch(unlessMoved)
    for (const { until, wake } of asleep) if (calls >= until) wake()
    if (next === undefined || next-- > 0) {
      const answer = await run()
      if (k === 0 && !ends && (await moveOf(move))['state'] === 'closing') {
        ends = true
        left = [...last]
        next = left[0]?.[0]
      }
      return answer
    }
    const [, what] = left.shift() ?? []
    next = left[0]?.[0]
    return happens(what, run)
  })
  const until = async (...states: string[]) => {
    for (let tries = 0; tries < 200; tries++) {
      const { state } = await moveOf(move)
      if (states.includes(String(state))) return String(state)
      const fallen = new Promise<void>((resolve) => (fell = resolve))
      const attempt = settledRun(one, move)
      running.push(attempt)
      await Promise.race([attempt, fallen])
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
  for (const { wake } of asleep) wake()
  await Promise.all(running)
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
async function written(what: Write, k: number): Promise<void> {
  const db = shard(k)
  await db.batch(what(workspace).map((text) => db.prepare(text))).catch((error: unknown) => {
    if (!isMoving(error)) throw error
  })
}

it('moves all rows or none, whatever happens meanwhile', { timeout: 100_000 }, async () => {
  await fc.assert(fc.asyncProperty(history, live), { ...runs(6), endOnFailure: true })
})
