import { sql } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { findPlace, savePlace } from '../db/cron-place.ts'
import { livesHere } from '../db/fenced.ts'
import { enqueueRuns, runsAtOnce } from './turn.ts'
import { mondayOf, weekOf } from './week.ts'

const definitionsPerPiece = 500
const piecesMost = 60

/**
 * Opens the run of the week of `at` (milliseconds) for each definition that was there: of up to
 * 30,000 in one invocation, and the next goes on. Enqueues the first of each workspace; each that
 * ends enqueues the next. Safe to repeat.
 */
export async function beginWeek(res: Resources, at: number): Promise<void> {
  const monday = mondayOf(at)
  const place = await findPlace(res.database, 'week')
  const begun = place?.at === monday ? place.key : 0
  let after = begun
  for (let pieces = 0; pieces < piecesMost; pieces++) {
    const { opened, last } = await openWeeklyRuns(res, { week: weekOf(at), before: at, after })
    await enqueueRuns(res, firstOfEach(opened))
    if (last === undefined) break
    after = last
  }
  // It stays: later definitions alone are looked at until the next week.
  if (after !== begun) await savePlace(res.database, 'week', { at: monday, key: after })
}

interface OpenedRun {
  workspace: number
  run: number
}

/** The oldest of each workspace, as many as may go on at once. */
const firstOfEach = (opened: OpenedRun[]) =>
  [...Map.groupBy(opened, ({ workspace }) => workspace).values()].flatMap((runs) =>
    runs
      .toSorted((a, b) => a.run - b.run)
      .slice(0, runsAtOnce)
      .map((run) => ({ ...run, scheduled: 1 })),
  )

/**
 * Opens the run of a week for those of the next definitions that were created by `before` and lack
 * it. `last` is the key to go on after, if there were any.
 */
async function openWeeklyRuns(
  res: Resources,
  { week, before, after }: { week: string; before: number; after: number },
): Promise<{ opened: OpenedRun[]; last: number | undefined }> {
  const db = res.database
  const now = res.now()
  const definitions = await db.all<{ key: number; due: number }>(sql`
    SELECT d.key, iif(d.deleted_at IS NULL AND d.created_on <= ${before} AND ${livesHere(sql`d.workspace_id`)},
      NOT EXISTS (SELECT 1 FROM recompute_runs AS r
        WHERE r.definition_key = d.key AND r.week = ${week}), 0) AS due
    FROM group_definitions AS d WHERE d.key > ${after} ORDER BY d.key LIMIT ${definitionsPerPiece}`)
  const last = definitions.at(-1)?.key
  const rows = definitions.flatMap(({ key, due }) =>
    due === 1 ? [[crypto.randomUUID(), key]] : [],
  )
  if (rows.length === 0) return { opened: [], last }
  const opened = await db.all<OpenedRun>(sql`
    INSERT INTO recompute_runs
      (id, workspace_id, definition_key, week, state, created_at, updated_at)
    SELECT value ->> 0, d.workspace_id, d.key, ${week}, 'waiting', ${now}, ${now}
    FROM json_each(${JSON.stringify(rows)}) CROSS JOIN group_definitions AS d ON d.key = value ->> 1
    WHERE d.deleted_at IS NULL AND ${livesHere(sql`d.workspace_id`)} -- some may have been deleted since the query above
    ON CONFLICT (definition_key, week) DO NOTHING
    RETURNING workspace_id AS workspace, key AS run`)
  return { opened, last }
}
