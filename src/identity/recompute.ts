import { sql, type SQLWrapper } from 'drizzle-orm'
import { recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { flagOf, type MessageOf } from '../messages.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { claimRun } from './claim-run.ts'
import { commitRun, findNextRun, findRun, requestRun, type BegunRun, type Run } from './runs.ts'
import { noValues } from './no-value.ts'
import { countUsersOf } from './crowded.ts'
import { normalize, usersOf } from './normalize.ts'
import {
  countSeated,
  deleteMovers,
  fillSeats,
  recordMovers,
  removeBeyondSeats,
  removeMembers,
  removeUnmatched,
  selectMovers,
} from './seat.ts'
import { computeShared, deleteUnshared } from './share.ts'
import { enqueueRuns, selectNext, startNextRun, type NextRun } from './turn.ts'
import {
  overLimitShown,
  rangeAfter,
  scanRange,
  type Range,
  type RangeEnd,
  type Scan,
} from './ranges.ts'
import type { Seating } from './user-rows.ts'

/** Opens a run beside that of every Monday. Throws `not-found`. */
export async function requestRecompute(
  res: Resources,
  workspace: number,
  definitionId: string,
): Promise<Run> {
  const run = await requestRun(res, workspace, definitionId)
  await enqueue(res, { kind: 'recompute', workspace, run: run.key })
  return run
}

/**
 * Carries a run on, a range of values at a time, and then enqueues the next run of the definition,
 * and that of the workspace.
 */
export function runRecompute(
  res: Resources,
  { workspace, run: key, scheduled }: MessageOf<'recompute'>,
): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'recompute', workspace, run: key, ...flagOf(scheduled) },
    find: () => findRun(db, workspace, key),
    hasEnded: ({ endedAt }) => endedAt !== null,
    step: (run, invocation) => nextStep(res, run, invocation),
    afterwards: async ({ definition }, found) => {
      const next = await findNextRun(db, workspace, definition)
      if (next !== undefined) {
        const flag = flagOf(next.week !== null)
        await enqueue(res, { kind: 'recompute', workspace, run: next.key, ...flag })
      } else if (found) await startNextRun(res, workspace)
    },
  })
}

/** Takes the run one step further. False: someone else moved it. */
function nextStep(res: Resources, run: Run, invocation: Invocation): Promise<boolean> {
  if (run.state === 'waiting') return claimRun(res, run)
  if (run.state === 'normalizing') return normalize(res, run, invocation)
  return run.state === 'running' ? recomputeRange(res, run, invocation) : Promise.resolve(false)
}

/** Takes the run one range further. False: someone else moved it. */
async function recomputeRange(
  res: Resources,
  run: BegunRun,
  invocation: Invocation,
): Promise<boolean> {
  const { workspace } = run
  const settings = {
    workspace,
    definitionKey: run.definition,
    source: run.source,
    matching: run.matching,
    noValues: noValues(run.ignoreValues, run.matching !== null),
    attributes: run.attributes,
    seatsMax: res.limits.groupUsersMax,
  }
  const users = usersOf(res, invocation)
  const { seating, range, scan } = await scanNextRange(res, run, { settings, users })
  const db = res.databaseOf(workspace)
  const withoutBefore =
    run.cursor === ''
      ? (await countUsersOf(db, { ...seating, matching: null }, '')).users
      : run.withoutValue
  const now = res.now()
  const last = range.upTo === null
  const statements = changesOfRange(run, seating, { range, scan, now })
  // In the batch of the end, so that of two ends at once each has a run of its own to follow it.
  if (last) statements.unshift(selectNext(workspace, run.week !== null))
  const to = {
    state: last ? ('successful' as const) : run.state,
    cursor: range.upTo ?? run.cursor,
    ...(last && { endedAt: now }),
    scanned: run.scanned + scan.users,
    withoutValue: withoutBefore + scan.withoutValue,
    largest: largestOf(run, scan),
  }
  if (last) {
    const event = {
      type: 'household.recomputed',
      data: recomputedData(run),
      actor: run.actor ?? res.actor,
    } as const
    statements.push(...announce(res, workspace, event, guardOf(recomputeRuns, run)))
  }
  const facts = { status: to.state, users: scan.users }
  const { moved, ms, results } = await commitRun(res, run, statements, { to, facts })
  await enqueueAnnounced(res, workspace, results)
  if (last && moved) await enqueueRuns(res, (results[0]?.rows ?? []) as NextRun[]) // as selected
  await invocation.took(ms, users)
  return moved
}

async function scanNextRange(
  res: Resources,
  { workspace, cursor }: BegunRun,
  { settings, users }: { settings: Omit<Seating, 'hasCorrections'>; users: number },
): Promise<{ seating: Seating; range: Range; scan: Scan }> {
  const db = res.databaseOf(workspace)
  const [end] = await db.all<RangeEnd>(rangeAfter(settings, cursor, users))
  const seating = { ...settings, hasCorrections: end?.corrected === 1 }
  const found: Range = { after: cursor, upTo: end?.upTo ?? null, crowded: end?.crowded === 1 }
  const crowd = found.crowded ? await countUsersOf(db, seating, found.upTo ?? '') : undefined
  const range = crowd === undefined ? found : { ...found, first: crowd.first }
  const [scan] = await db.all<Scan>(scanRange(seating, range, crowd?.users))
  if (scan === undefined) throw new Error('the scan of a range gave no row')
  return { seating, range, scan }
}

/** Statements that bring a range's members and shared attributes up to date. */
function changesOfRange(
  run: BegunRun,
  seating: Seating,
  { range, scan, now }: { range: Range; scan: Scan; now: number },
): SQLWrapper[] {
  const guard = guardOf(recomputeRuns, run)
  const hasMovers = scan.moving > 0
  const statements: SQLWrapper[] = []
  // Users who change after the scan wait for the next run.
  if (hasMovers) statements.push(recordMovers(seating, range, guard))
  statements.push(beginCountingChanges(run))
  if (hasMovers) statements.push(...removeMembers(seating, selectMovers(seating), guard))
  if (scan.members > scan.staying) statements.push(removeUnmatched(seating, range, guard))
  if (scan.largestGroup > seating.seatsMax)
    statements.push(removeBeyondSeats(seating, range, guard))
  if (scan.unseated > 0 || hasMovers) statements.push(fillSeats(seating, range, now, guard))
  statements.push(
    deleteUnshared(seating, range, guard),
    ...computeShared(seating, range, guard),
    endCountingChanges(run, seating, range, scan.users),
  )
  if (hasMovers) statements.push(deleteMovers(seating, guard))
  return statements
}

/** The largest groups beyond the limit, of all ranges so far. */
function largestOf(run: Run, scan: Scan): Run['largest'] {
  const found = JSON.parse(scan.overLimit) as NonNullable<Run['largest']> // as `scanRange` makes it
  // Of two of one size, that of the smaller value, which came first.
  return [...(run.largest ?? []), ...found]
    .sort((a, b) => b.users - a.users)
    .slice(0, overLimitShown)
}

/** The facts of the event at a run's end. */
const recomputedData = ({ key }: Run) => sql`
  (SELECT json_object('definition_id', d.id, 'run_id', r.id, 'groups', r.groups,
    'users_seated', r.seated, 'users_over_limit', r.over_limit, 'rows_changed', r.changed)
  FROM recompute_runs AS r JOIN group_definitions AS d ON d.key = r.definition_key
  WHERE r.key = ${key})`

/** Rows that the connection has changed, but for those that a move keeps of each. */
const changedRows = sql`(total_changes() - (SELECT count(*) FROM move_changes AS m
  WHERE m.workspace_id = recompute_runs.workspace_id))`

/** Stands before the statements whose changed rows are counted, `endCountingChanges` after them. */
const beginCountingChanges = ({ key, step }: Run) => sql`
  UPDATE recompute_runs SET changed = changed - ${changedRows}
  WHERE key = ${key} AND step = ${step}`

/** Less one, as the statement before the counted ones changes the run's own row. */
const endCountingChanges = (
  { key, step }: Run,
  seating: Seating,
  range: Range,
  users: number,
) => sql`
  UPDATE recompute_runs SET changed = changed + ${changedRows} - 1,
    seated = recompute_runs.seated + s.seated,
    over_limit = over_limit + max(0, ${users} - s.seated),
    groups = recompute_runs.groups + s.groups
  FROM (${countSeated(seating, range)}) AS s
  WHERE key = ${key} AND step = ${step}`
