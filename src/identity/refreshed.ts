import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { goOn, type Place } from '../db/cron-place.ts'
import { livesHere } from '../db/fenced.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'

/** Milliseconds after which a mark is one that no message comes for. */
const longAfter = 30_000

/** Definitions of a minute's cron. */
const definitionsMost = 100

/** Marks of a definition that are looked at, the first ones, as messages begin with them. */
const marksLooked = 100

/** Enqueues the definitions with groups that were marked a while ago, as a message may be lost. */
export const enqueueStalledMarks = (res: Resources): Promise<void> =>
  goOn(res.database, 'stalled-marks', 1, async ({ key: after }) => {
    const next = (than: unknown) =>
      sql`(SELECT min(definition_key) FROM group_marks WHERE definition_key > ${than})`
    const marked = await res.database.all<Place & { workspace: number; isLong: number }>(sql`
      WITH RECURSIVE m (key) AS (
        SELECT ${next(after)}
        UNION ALL SELECT ${next(sql`m.key`)} FROM m WHERE key IS NOT NULL LIMIT ${definitionsMost})
      SELECT m.key, 0 AS at, d.workspace_id AS workspace, (SELECT min(marked_at) FROM (
        SELECT marked_at FROM group_marks WHERE definition_key = m.key LIMIT ${marksLooked}
      )) < ${res.now() - longAfter} AND ${livesHere(sql`d.workspace_id`)} AS isLong
      FROM m CROSS JOIN group_definitions AS d ON d.key = m.key`)
    await enqueueAll(
      res,
      marked
        .filter(({ isLong }) => isLong === 1)
        .map(({ workspace, key }) => ({
          kind: 'refresh-groups',
          workspace,
          definition: key,
          stalled: true,
        })),
    )
    return marked.length < definitionsMost ? undefined : marked.at(-1)
  })

/** Writes an event for each definition of which groups were formed anew since the last one. */
export async function tellRefreshed(res: Resources): Promise<void> {
  const definitions = await res.database.all<{ workspace: number; key: number; id: string }>(sql`
    SELECT workspace_id AS workspace, key, id
    FROM group_definitions INDEXED BY group_definitions_refreshed
    WHERE refreshed_since IS NOT NULL AND ${livesHere()} ORDER BY refreshed_since LIMIT ${definitionsMost}`)
  for (const { workspace, key, id } of definitions) {
    const nothing = { groups: null, users_seated: null, users_over_limit: null, rows_changed: null }
    const data = { definition_id: id, run_id: null, ...nothing }
    const results = await together(res.databaseOf(workspace), [
      sql`
      UPDATE group_definitions SET refreshed_since = NULL
      WHERE key = ${key} AND refreshed_since IS NOT NULL`,
      ...announce(res, workspace, { type: 'household.recomputed', data }),
    ])
    await enqueueAnnounced(res, workspace, results)
  }
}
