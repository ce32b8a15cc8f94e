import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { goOn } from '../db/cron-place.ts'
import { sendBatchMost } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { enqueueDeliveries } from './announce.ts'

const webhooksPerPiece = 500
const piecesMost = 60

/** Enqueues every webhook with deliveries due: by schedule, or because a message was lost. */
export const deliverDue = (res: Resources): Promise<void> =>
  goOn(res.database, 'due-webhooks', piecesMost, async ({ key: after }) => {
    const pending = await findPending(res.database, after, res.now())
    const due = pending.flatMap(({ workspace, key, due }) =>
      due === 1 ? [{ workspace, webhook: key }] : [],
    )
    for (let sent = 0; sent < due.length; sent += sendBatchMost)
      await enqueueDeliveries(res, due.slice(sent, sent + sendBatchMost))
    const last = pending.at(-1)
    return pending.length < webhooksPerPiece || last === undefined
      ? undefined
      : { at: 0, key: last.key }
  })

/** The next webhooks with pending deliveries: one entry of the index is read of each. */
function findPending(db: Db, after: number, now: number) {
  const next = (than: SQL) => sql`(SELECT min(d.webhook_key)
    FROM deliveries AS d INDEXED BY deliveries_due
    WHERE d.state = 'pending' AND d.webhook_key > ${than})`
  return db.all<{ workspace: number; key: number; due: number }>(sql`
    WITH RECURSIVE pending(webhook) AS (
      SELECT ${next(sql`${after}`)}
      UNION ALL SELECT ${next(sql`pending.webhook`)} FROM pending WHERE webhook IS NOT NULL
      LIMIT ${webhooksPerPiece})
    SELECT w.workspace_id AS workspace, p.webhook AS key,
      w.disabled IS NULL AND coalesce(w.busy_until, 0) <= ${now}
        AND EXISTS (SELECT 1 FROM deliveries AS d
          WHERE d.webhook_key = w.key AND d.state = 'pending' AND d.next_attempt_at <= ${now}) AS due
    FROM pending AS p LEFT JOIN webhooks AS w ON w.key = p.webhook
    WHERE p.webhook IS NOT NULL`)
}
