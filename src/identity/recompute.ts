import { sql, type SQLWrapper } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { beginPass, commit, unmoved } from '../work/checkpoint.ts'
import { announce, ringFor } from '../webhooks/announce.ts'
import { wake } from '../work/wake.ts'
import { advanceRun, claimRun, findNextRun, findRun, requestRun, type Run } from './runs.ts'
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
} from './seats.ts'
import {
  crowdsMax,
  look,
  stretchAfter,
  type Look,
  type Seating,
  type Stretch,
} from './stretches.ts'

/** Has the groups of a definition formed anew, beside the run of every Monday. Throws `not-found`. */
export async function requestRecompute(
  res: Resources,
  workspace: number,
  definitionId: string,
): Promise<Run> {
  const run = await requestRun(res.databaseOf(workspace), workspace, definitionId, res.now())
  await wake(res, { kind: 'recompute', workspace, run: run.key })
  return run
}

/**
 * Carries a run on from where it stands, a stretch of source values at a time, and at its end, on to the next run of the definition.
 * Each step is one batch that moves the run's checkpoint and holds only if nobody else has moved it. Safe to repeat, also at once.
 */
export async function runRecompute(res: Resources, workspace: number, key: number): Promise<void> {
  const db = res.databaseOf(workspace)
  const over = beginPass(res)
  for (;;) {
    const run = await findRun(db, workspace, key)
    if (run === undefined) return
    if (run.endedAt !== null) {
      const next = await findNextRun(db, workspace, run.definition)
      return next === undefined ? undefined : wake(res, { kind: 'recompute', workspace, run: next })
    }
    if (over()) return wake(res, { kind: 'recompute', workspace, run: key })
    if (!(await carryOn(res, db, run))) return
  }
}

/** Takes the run one step further. False: someone else moved it. */
function carryOn(res: Resources, db: Db, run: Run): Promise<boolean> {
  if (run.state === 'waiting') return claimRun(db, run, res.now())
  return run.state === 'normalizing' ? normalize(res, db, run) : step(res, db, run)
}

/** Takes the run one stretch further. False: someone else moved it. */
async function step(res: Resources, db: Db, run: Run): Promise<boolean> {
  const { workspace, definition, source, attributes } = run
  if (source === null || attributes === null) throw new Error(`run ${run.id} was never begun`)
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
    stretchAfter(at, run.cursor, res.limits.usersPerStep),
  )
  const stretch: Stretch = {
    after: run.cursor,
    upTo: end?.upTo ?? null,
    crowded: end?.crowded === 1,
  }
  const [seen] = await db.all<Look>(look(at, stretch))
  if (seen === undefined) throw new Error('a look tells nothing')

  const now = res.now()
  const guard = unmoved(recomputeRuns, run)
  const statements: SQLWrapper[] = []
  // What the look did not see, a later run will: who has changed since then sits where they sat, among the same.
  if (seen.moving > 0) statements.push(noteMovers(at, stretch, guard))
  statements.push(beginCount(run))
  if (seen.moving > 0) statements.push(...leave(at, movers(at), guard))
  if (seen.members > seen.staying) statements.push(unseat(at, stretch, guard))
  if (seen.largest > at.seatsMax) statements.push(shrink(at, stretch, guard))
  if (seen.seatless + seen.moving > 0) statements.push(seat(at, stretch, now, guard))
  statements.push(
    unshare(at, stretch, guard),
    ...shareAll(at, stretch, guard),
    endCount(run, at, stretch, seen.users),
  )
  if (seen.moving > 0) statements.push(forgetMovers(at, guard))

  const last = stretch.upTo === null
  const to = {
    state: last ? ('successful' as const) : run.state,
    cursor: stretch.upTo ?? run.cursor,
    endedAt: last ? now : null,
    looked: run.looked + seen.users,
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
  await ringFor(res, workspace, results)
  return moved
}

/** The largest crowds of the stretches before and of this one. */
function largestOf(run: Run, seen: Look): Run['largest'] {
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
const endCount = ({ key, step }: Run, at: Seating, stretch: Stretch, users: number) => sql`
  UPDATE recompute_runs SET changed = changed + total_changes() - 1,
    seated = recompute_runs.seated + s.seated, over_limit = over_limit + max(0, ${users} - s.seated), groups = recompute_runs.groups + s.groups
  FROM (${seatedIn(at, stretch)}) AS s WHERE key = ${key} AND step = ${step}`
