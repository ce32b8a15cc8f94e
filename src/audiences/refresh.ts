import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jsonLengthMax } from '../db/json-lists.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { livesHere } from '../db/fenced.ts'
import { Failure, faultOf, isPassing } from '../failure.ts'
import { Invocation } from '../jobs/invocation.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { cronsName } from '../jobs/job.ts'
import { countUnended } from '../jobs/jobs.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { periodOf, weekBegan } from './refresh-period.ts'
import { resolveMany } from './resolve.ts'
import { openSyncs, rowOf } from './sync.ts'

/** Audiences that are looked at, and of which syncs are opened, together. */
const audiencesPerPiece = 100

/** Attempts of an invocation that may fail, as they are not in its count of statements. */
const failuresMost = 50

/** An audience whose day or week has begun; `attached` to a group, and `ready` to fill it. */
interface Due extends Place {
  workspace: number
  id: string
  attached: number
  ready: number
}

/** A day or a week that is refreshed by an invocation. */
interface Refreshing {
  res: Resources
  period: string
  invocation: Invocation
  failures: { left: number }
}

/**
 * Opens a sync for each audience whose day or week has begun at `at` (milliseconds); weekly ones
 * wait for the recomputes. As many as an invocation can, and the next goes on. Safe to repeat.
 */
export async function refreshDue(res: Resources, at: number): Promise<void> {
  const invocation = new Invocation(res)
  const failures = { left: failuresMost }
  for (const refresh of ['daily', 'weekly'] as const) {
    const period = periodOf(refresh, at) ?? ''
    const refreshing = { res, period, invocation, failures }
    await goOn(
      res.database,
      `refresh-${refresh}`,
      () => !isOver(refreshing),
      async (place) => {
        const due = await findDue(res.database, { refresh, at, place }, res.limits)
        if (due.some(({ attached }) => attached === 0)) await skipUnattached(refreshing, due)
        const ready = due.filter(({ ready }) => ready === 1)
        const done = await openAll(refreshing, ready)
        if (done < ready.length) return ready[done - 1] ?? place
        return due.length < audiencesPerPiece ? undefined : due.at(-1)
      },
    )
  }
}

const isOver = ({ invocation, failures }: Refreshing): boolean =>
  invocation.isOutOfTime() || failures.left <= 0

/** Opens the syncs of due audiences, and gives how many of them it came to. */
async function openAll(refreshing: Refreshing, due: Due[]): Promise<number> {
  const { period, failures } = refreshing
  // One that fails, fails all of its batch: they are tried in smaller ones, then by themselves.
  let size = due.length
  let from = 0
  while (from < due.length && !isOver(refreshing)) {
    const some = due.slice(from, from + size)
    try {
      from += await openTogether(refreshing, some)
      size *= 2
    } catch (error) {
      if (isPassing(error)) throw error
      failures.left--
      size = Math.ceil(some.length / 2)
      if (some.length > 1) continue
      from++
      for (const one of some) log('refresh-failed', one, { period, facts: faultOf(error) })
    }
  }
  return from
}

function log(
  event: string,
  { workspace, id }: Due,
  { period, facts }: { period: string; facts: object },
): void {
  console.error(JSON.stringify({ event, workspace, audience: id, period, ...facts }))
}

/** Opens the syncs of as many of the audiences as one batch takes, and gives their number. */
async function openTogether({ res, period }: Refreshing, due: Due[]): Promise<number> {
  const rules = await resolveMany(res.database, due, res.limits)
  const refused: Due[] = []
  const rows: string[] = []
  let length = 0
  for (const [i, one] of due.entries()) {
    const rule = rules[i]
    if (rule === undefined || rule instanceof Failure) {
      refused.push(one)
      log('refresh-refused', one, { period, facts: rule?.facts ?? {} })
      continue
    }
    const row = rowOf({ workspace: one.workspace, audience: one.id, ...rule })
    length += row.length
    if (length > jsonLengthMax && rows.length > 0) break
    rows.push(row)
  }
  // Only a change by somebody could help.
  if (refused.length > 0) await markRefreshed(res.database, refused, period, sql`true`)
  const { opened } = await openSyncs(res.database, rows, {
    by: cronsName,
    mode: 'apply',
    period,
    res,
  })
  await enqueueAll(
    res,
    opened.flatMap(({ workspace, job }) =>
      job === null ? [] : [{ kind: 'job', workspace, job, scheduled: true }],
    ),
  )
  return refused.length + rows.length
}

const isAttached = sql`EXISTS (SELECT 1 FROM experience_groups AS g
  WHERE g.workspace_id = audiences.workspace_id AND g.audience_id = audiences.id
    AND g.deleted_at IS NULL)`

/** Audiences that fill no group begin with the period in which they are attached to one. */
const skipUnattached = ({ res, period }: Refreshing, due: Due[]) =>
  markRefreshed(
    res.database,
    due.filter(({ attached }) => attached === 0),
    period,
    sql`NOT ${isAttached}`,
  )

async function markRefreshed(db: Db, due: Due[], period: string, guard: SQL): Promise<void> {
  const keys = JSON.stringify(due.map(({ key }) => key))
  await db.run(sql`
    UPDATE audiences SET refreshed = ${period}
    WHERE key IN (SELECT value FROM json_each(${keys})) AND ${guard}`)
}

/** The next audiences after a place that have not been refreshed since their day or week began. */
export function findDue(
  db: Db,
  { refresh, at, place }: { refresh: 'daily' | 'weekly'; at: number; place: Place },
  { jobsWaitingMax }: Limits,
): Promise<Due[]> {
  const period = periodOf(refresh, at)
  const hasUnendedRun = sql`EXISTS (SELECT 1 FROM group_definitions AS d
    WHERE d.workspace_id = a.workspace_id AND d.deleted_at IS NULL
      AND d.created_on <= ${weekBegan(at)}
      AND NOT EXISTS (SELECT 1 FROM recompute_runs AS r
        WHERE r.definition_key = d.key AND r.week = ${period} AND r.ended_at IS NOT NULL))`
  const isFormed = refresh === 'daily' ? sql`true` : sql`NOT ${hasUnendedRun}`
  const since = sql`coalesce(refreshed, '')`
  const next = (which: SQL) => sql`
    SELECT * FROM (SELECT key, workspace_id, id, ${since} AS at
      FROM audiences INDEXED BY audiences_by_due
      WHERE refresh <> 'on_demand' AND refresh = ${refresh} AND ${livesHere()} AND ${which}
      LIMIT ${audiencesPerPiece})`
  // Two, as SQLite seeks no place of two columns where one is an expression.
  return db.all<Due>(sql`
    WITH next AS MATERIALIZED (
      ${next(sql`${since} = ${place.at} AND ${place.at} < ${period} AND key > ${place.key} ORDER BY key`)}
      UNION ALL ${next(sql`${since} > ${place.at} AND ${since} < ${period} ORDER BY ${since}, key`)}
      LIMIT ${audiencesPerPiece})
    SELECT a.workspace_id AS workspace, a.id, a.at, a.key, g.key IS NOT NULL AS attached,
      iif(g.key IS NULL, 0, ${countUnended(sql`g.key`)} < ${jobsWaitingMax} AND ${isFormed}) AS ready
    FROM next AS a LEFT JOIN experience_groups AS g
      ON g.workspace_id = a.workspace_id AND g.audience_id = a.id AND g.deleted_at IS NULL`)
}
