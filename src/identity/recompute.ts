import { sql, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { commit, guardOf } from '../jobs/checkpoint.ts'
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
  deleteMovers,
  removeMembers,
  selectMovers,
  recordMovers,
  fillSeats,
  countSeated,
  computeShared,
  removeBeyondSeats,
  removeUnmatched,
  deleteUnshared,
} from './seat-and-share.ts'
import {
  overLimitShown,
  scanRange,
  rangeAfter,
  type Scan,
  type Seating,
  type Range,
} from './ranges.ts'

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
  return run.state === 'running' ? recomputeRange(res, db, run) : Promise.resolve(false)
}

/** Takes the run one range further. False: someone else moved it. */
async function recomputeRange(res: Resources, db: Db, run: BegunRun): Promise<boolean> {
  const { workspace, definition, source, attributes } = run
  const seating: Seating = {
    workspace,
    definitionKey: definition,
    source,
    matching: run.matching,
    noValues: noValues(run.ignoreValues, run.matching !== null),
    attributes,
    seatsMax: res.limits.groupUsersMax,
  }

  const [end] = await db.all<{ upTo: string | null; crowded: number }>(
    rangeAfter(seating, run.cursor, res.limits.usersPerStep),
  )
  const range: Range = {
    after: run.cursor,
    upTo: end?.upTo ?? null,
    crowded: end?.crowded === 1,
  }
  const [scan] = await db.all<Scan>(scanRange(seating, range))
  if (scan === undefined) throw new Error('a look tells nothing')

  const now = res.now()
  const guard = guardOf(recomputeRuns, run)
  const statements: SQLWrapper[] = []
  // What the look did not see, a later run will: who has changed since then sits where they sat, among the same.
  if (scan.moving > 0) statements.push(recordMovers(seating, range, guard))
  statements.push(beginCountingChanges(run))
  if (scan.moving > 0) statements.push(...removeMembers(seating, selectMovers(seating), guard))
  if (scan.members > scan.staying) statements.push(removeUnmatched(seating, range, guard))
  if (scan.largestGroup > seating.seatsMax)
    statements.push(removeBeyondSeats(seating, range, guard))
  if (scan.unseated + scan.moving > 0) statements.push(fillSeats(seating, range, now, guard))
  statements.push(
    deleteUnshared(seating, range, guard),
    ...computeShared(seating, range, guard),
    endCountingChanges(run, seating, range, scan.users),
  )
  if (scan.moving > 0) statements.push(deleteMovers(seating, guard))

  const last = range.upTo === null
  const to = {
    state: last ? ('successful' as const) : run.state,
    cursor: range.upTo ?? run.cursor,
    endedAt: last ? now : null,
    scanned: run.scanned + scan.users,
    withoutValue: run.withoutValue + scan.withoutValue,
    largest: largestOf(run, scan),
  }
  if (last)
    statements.push(
      ...announce(
        workspace,
        { type: 'household.recomputed', data: recomputedData(run) },
        now,
        guard,
      ),
    )
  const facts = {
    event: 'recompute-step',
    workspace,
    runId: run.id,
    step: run.step,
    status: to.state,
    users: scan.users,
  }
  const { moved, results } = await commit(db, facts, [...statements, advanceRun(db, run, now, to)])
  await enqueueAnnounced(res, workspace, results)
  return moved
}

/** The largest crowds of the ranges before and of this one. */
function largestOf(run: Run, scan: Scan): Run['largest'] {
  const crowds = JSON.parse(scan.overLimit) as NonNullable<Run['largest']> // as `look` makes it
  // Of two of one size, that of the smaller value, which came first.
  return [...(run.largest ?? []), ...crowds]
    .sort((a, b) => b.users - a.users)
    .slice(0, overLimitShown)
}

/** What is told of a run at its end, its last step counted in. */
const recomputedData = ({ key }: Run) => sql`
  (SELECT json_object('definition_id', d.id, 'run_id', r.id, 'groups', r.groups, 'users_seated', r.seated, 'users_over_limit', r.over_limit,
    'rows_changed', r.changed) FROM recompute_runs AS r JOIN group_definitions AS d ON d.key = r.definition_key WHERE r.key = ${key})`

/** Around the statements whose changed rows are counted; less the run's own row, which the first of them changes. */
const beginCountingChanges = ({ key, step: recomputeRange }: Run) =>
  sql`UPDATE recompute_runs SET changed = changed - total_changes() WHERE key = ${key} AND step = ${recomputeRange}`
const endCountingChanges = (
  { key, step: recomputeRange }: Run,
  seating: Seating,
  range: Range,
  users: number,
) => sql`
  UPDATE recompute_runs SET changed = changed + total_changes() - 1,
    seated = recompute_runs.seated + s.seated, over_limit = over_limit + max(0, ${users} - s.seated), groups = recompute_runs.groups + s.groups
  FROM (${countSeated(seating, range)}) AS s WHERE key = ${key} AND step = ${recomputeRange}`
