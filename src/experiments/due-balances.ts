import { sql } from 'drizzle-orm'
import { goOn, type Place } from '../db/cron-place.ts'
import { livesHere } from '../db/fenced.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { balanceMessage, requestBalances } from './balance.ts'
import { joinGroup } from './experiments.ts'

/** Running experiments that are looked at in a minute: a cron reads five rows of each. */
const experimentsPerMinute = 40

/**
 * Has balances of running experiments opened where the group has a newer revision, or the
 * experiment has changed. Each minute goes on after the experiments of the minute before.
 */
export const enqueueDueBalances = (res: Resources): Promise<void> =>
  goOn(res.database, 'due-balances', 1, async ({ key: after }) => {
    const looked = await res.database.all<Place & { due: number }>(sql`
      SELECT e.key, 0 AS at, g.key IS NOT NULL AND ${livesHere(sql`e.workspace_id`)}
        AND (b.state IS NULL OR b.state = 'complete'
          AND (b.result ->> 'revision', b.result ->> 'modifiedAt') IS NOT (g.revision, e.last_modified_on)
      ) AS due
      FROM (SELECT key, workspace_id, group_id, last_modified_on
        FROM experiments INDEXED BY experiments_running
        WHERE status = 'running' AND deleted_at IS NULL AND key > ${after}
        ORDER BY key LIMIT ${experimentsPerMinute}) AS e
        ${joinGroup}
        LEFT JOIN experiment_balances AS b ON b.experiment_key = e.key
      ORDER BY e.key`)
    const due = looked.filter((row) => row.due === 1)
    if (due.length > 0) await request(res, JSON.stringify(due.map(({ key }) => key)))
    return looked.length < experimentsPerMinute ? undefined : looked.at(-1)
  })

async function request(res: Resources, keys: string): Promise<void> {
  const begun = await res.database.all<{ workspace: number; key: number }>(
    requestBalances(
      sql`e.status = 'running' AND e.key IN (SELECT value FROM json_each(${keys}))`,
      'due',
      res.now(),
    ),
  )
  await enqueueAll(
    res,
    begun.map((balance) => balanceMessage(balance, 'due')),
  )
}
