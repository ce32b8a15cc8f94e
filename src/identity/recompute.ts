import { sql, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { commit, unmoved } from '../jobs/checkpoint.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { enqueue } from '../jobs/enqueue.ts'
import {
  advanceRun,
  claimRun,
  findNextRun,
  findRun,
  requestRun,
  type BegunRun,
  type Run,
} from './runs.ts'
import { noValues } from './no-value.ts'
import { normalize } from './normalize.ts'
import {
  forgetMovers,
  leave,
  movers,
  noteMovers,
  seat,
  seatedIn,
  shareAll,
  shrink,
  unseat,
  unshare,
} from './seat-and-share.ts'
import { crowdsMax, look, rangeAfter, type Scan, type Seating, type Range } from './ranges.ts'

/** Has the groups of a definition formed anew, beside the run of every Monday. Throws `not-found`. */
export async function requestRecompute(
  res: Resources,
  workspace: number,
  definitionId: string,
): Promise<Run> {
  const run = await requestRun(res.databaseOf(workspace), workspace, definitionId, res.now())
  await enqueue(res, { kind: 'recompute', workspace, run: run.key })
  return run
}

/**
 * Carries a run on from where it stands, a range of source values at a time, and at its end, on to the next run of the definition.
 * Each step is one batch that moves the run's checkpoint and holds only if nobody else has moved it. Safe to repeat, also at once.
 */
export function runRecompute(res: Resources, workspace: number, key: number): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'recompute', workspace, run: key },
    find: () => findRun(db, workspace, key),
    hasEnded: ({ endedAt }) => endedAt !== null,
    step: (run) => nextStep(res, db, run),
    afterwards: async ({ definition }) => {
      const next = await findNextRun(db, workspace, definition)
      if (next !== undefined) await enqueue(res, { kind: 'recompute', workspace, run: next })
    },
  })
}

/** Takes the run one step further. False: someone else moved it. */
function nextStep(res: Resources, db: Db, run: Run): Promise<boolean> {
  if (run.state === 'waiting') return claimRun(db, run, res.now())
  if (run.state === 'normalizing') return normalize(res, db, run)
  return run.state === 'running' ? step(res, db, run) : Promise.resolve(false)
}

/** Takes the run one range further. False: someone else moved it. */
async function step(res: Resources, db: Db, run: BegunRun): Promise<boolean> {
  const { workspace, definition, source, attributes } = run
  const at: Seating = {
    workspace,
    definition,
    source,
    matching: run.matching,
    noValues: noValues(run.ignoreValues, run.matching !== null),
    attributes,
    seatsMax: res.limits.groupUsersMax,
  }

  const [end] = await db.all<{ upTo: string | null; crowded: number }>(
    rangeAfter(at, run.cursor, res.limits.usersPerStep),
  )
  const range: Range = {
    after: run.cursor,
    upTo: end?.upTo ?? null,
    crowded: end?.crowded === 1,
  }
  const [seen] = await db.all<Scan>(look(at, range))
  if (seen === undefined) throw new Error('a look tells nothing')

  const now = res.now()
  const guard = unmoved(recomputeRuns, run)
  const statements: SQLWrapper[] = []
  // What the look did not see, a later run will: who has changed since then sits where they sat, among the same.
  if (seen.moving > 0) statements.push(noteMovers(at, range, guard))
  statements.push(beginCount(run))
  if (seen.moving > 0) statements.push(...leave(at, movers(at), guard))
  if (seen.members > seen.staying) statements.push(unseat(at, range, guard))
  if (seen.largest > at.seatsMax) statements.push(shrink(at, range, guard))
  if (seen.seatless + seen.moving > 0) statements.push(seat(at, range, now, guard))
  statements.push(
    unshare(at, range, guard),
    ...shareAll(at, range, guard),
    endCount(run, at, range, seen.users),
  )
  if (seen.moving > 0) statements.push(forgetMovers(at, guard))

  const last = range.upTo === null
  const to = {
    state: last ? ('successful' as const) : run.state,
    cursor: range.upTo ?? run.cursor,
    endedAt: last ? now : null,
    scanned: run.scanned + seen.users,
    withoutValue: run.withoutValue + seen.withoutValue,
    largest: largestOf(run, seen),
  }
  if (last)
    statements.push(
      ...announce(workspace, { type: 'household.recomputed', data: recomputed(run) }, now, guard),
    )
  const facts = {
    event: 'recompute-step',
    workspace,
    runId: run.id,
    step: run.step,
    status: to.state,
    users: seen.users,
  }
  const { moved, results } = await commit(db, facts, [...statements, advanceRun(db, run, now, to)])
  await enqueueAnnounced(res, workspace, results)
  return moved
}

/** The largest crowds of the ranges before and of this one. */
function largestOf(run: Run, seen: Scan): Run['largest'] {
  const crowds = JSON.parse(seen.crowds) as NonNullable<Run['largest']> // as `look` makes it
  // Of two of one size, that of the smaller value, which came first.
  return [...(run.largest ?? []), ...crowds].sort((a, b) => b.users - a.users).slice(0, crowdsMax)
}

/** What is told of a run at its end, its last step counted in. */
const recomputed = ({ key }: Run) => sql`
  (SELECT json_object('definition_id', d.id, 'run_id', r.id, 'groups', r.groups, 'users_seated', r.seated, 'users_over_limit', r.over_limit,
    'rows_changed', r.changed) FROM recompute_runs AS r JOIN group_definitions AS d ON d.key = r.definition_key WHERE r.key = ${key})`

/** Around the statements whose changed rows are counted; less the run's own row, which the first of them changes. */
const beginCount = ({ key, step }: Run) =>
  sql`UPDATE recompute_runs SET changed = changed - total_changes() WHERE key = ${key} AND step = ${step}`
const endCount = ({ key, step }: Run, at: Seating, range: Range, users: number) => sql`
  UPDATE recompute_runs SET changed = changed + total_changes() - 1,
    seated = recompute_runs.seated + s.seated, over_limit = over_limit + max(0, ${users} - s.seated), groups = recompute_runs.groups + s.groups
  FROM (${seatedIn(at, range)}) AS s WHERE key = ${key} AND step = ${step}`
