import { sql } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { enqueueDeliveries } from './announce.ts'

/** Webhooks of a workspace that are sent to at once, as they may hang. */
export const atOnce = 4

/** Whether a workspace may send to one more webhook, in SQL. */
export const hasPlace = (workspace: number, now: number) => sql`(
  SELECT count(*) FROM webhooks AS w
  WHERE w.workspace_id = ${workspace} AND w.busy_until > ${now}) < ${atOnce}`

/**
 * Enqueues the webhook of a workspace that has waited longest, once `ended` has had its turn. A
 * message whose turn has not come does nothing, so that messages do not multiply.
 */
export async function enqueueNext(res: Resources, workspace: number, ended: number): Promise<void> {
  const now = res.now()
  const [next] = await res.databaseOf(workspace).all<{ webhook: number }>(sql`
    SELECT w.key AS webhook, (SELECT min(d.next_attempt_at)
      FROM deliveries AS d INDEXED BY deliveries_due
      WHERE d.webhook_key = w.key AND d.state = 'pending') AS due
    FROM webhooks AS w
    WHERE w.workspace_id = ${workspace} AND w.key <> ${ended} AND w.disabled IS NULL
      AND coalesce(w.busy_until, 0) <= ${now} AND due <= ${now}
    ORDER BY due LIMIT 1`)
  if (next !== undefined) await enqueueDeliveries(res, [{ workspace, webhook: next.webhook }])
}
