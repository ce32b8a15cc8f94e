import { sql } from 'drizzle-orm'
import { goOn, type Place } from '../db/cron-place.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import type { Resources } from '../resources.ts'
import {
  balanceMessage,
  balancesOf,
  inTurn,
  isTurn,
  requestBalances,
  type BalanceState,
} from './balance.ts'

/** Enqueues balances that nothing has moved for a while: of those that wait the next, as it starts the others. */
export const enqueueStalledBalances = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number; state: BalanceState }>(res, {
    part: 'stalled-balances',
    columns: sql`workspace, state`,
    from: sql`FROM (
      SELECT experiment_key AS key, workspace_id AS workspace, state, updated_at
      FROM experiment_balances WHERE state <> 'complete') AS s WHERE true`,
    at: sql`s.updated_at`,
    isFirst: sql`(s.state = 'counting' OR ${isTurn(sql`s.workspace`, res.now())} AND NOT EXISTS (
      SELECT 1 FROM ${balancesOf(sql`s.workspace`)} AND b.state IN ('due', 'waiting')
        AND (${inTurn(sql`b`)}, b.experiment_key) < (${inTurn(sql`s`)}, s.key)))`,
    messageOf: ({ state, ...balance }) => balanceMessage(balance, state),
  })

/** Running experiments that are looked at in a minute: a cron reads five rows of each. */
const experimentsPerMinute = 40

/**
 * Has the balance of running experiments computed anew which is not of the live revision of their
 * group, or of the experiment as it is now: so many in a minute, the next ones in the next.
 */
export const enqueueDueBalances = (res: Resources): Promise<void> =>
  goOn(res.directory, 'due-balances', 1, async ({ key: after }) => {
    const looked = await res.directory.all<Place & { due: number }>(sql`
      SELECT e.key, 0 AS at, g.key IS NOT NULL AND (b.state IS NULL OR b.state = 'complete'
        AND (b.result ->> 'revision', b.result ->> 'modifiedAt') IS NOT (g.revision, e.last_modified_on)
      ) AS due
      FROM (SELECT key, workspace_id, group_id, last_modified_on
        FROM experiments INDEXED BY experiments_running
        WHERE status = 'running' AND deleted_at IS NULL AND key > ${after}
        ORDER BY key LIMIT ${experimentsPerMinute}) AS e
        LEFT JOIN experience_groups AS g
          ON g.workspace_id = e.workspace_id AND g.id = e.group_id AND g.deleted_at IS NULL
        LEFT JOIN experiment_balances AS b ON b.experiment_key = e.key
      ORDER BY e.key`)
    const due = looked.filter((row) => row.due === 1)
    if (due.length > 0) await request(res, JSON.stringify(due.map(({ key }) => key)))
    return looked.length < experimentsPerMinute ? undefined : looked.at(-1)
  })

async function request(res: Resources, keys: string): Promise<void> {
  const begun = await res.directory.all<{ workspace: number; key: number }>(
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
