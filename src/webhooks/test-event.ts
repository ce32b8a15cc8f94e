import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { enqueueAnnounced, eventStatements, newEventId } from './announce.ts'
import { getWebhook } from './subscriptions.ts'

/** Test events of a workspace in a period, in seconds. */
const testsMost = 60
const testsPeriod = 3600
/** The last events, among which these are counted: so they need no index of their own. */
const eventsSearched = 1000

/**
 * Sends a webhook a test event, and gives its id. Throws `not-found`, `invalid` if it is disabled,
 * `too-many-requests`.
 */
export async function testWebhook(res: Resources, workspace: number, id: string): Promise<string> {
  const { key, disabled } = await getWebhook(res.databaseOf(workspace), workspace, id)
  if (disabled !== null)
    throw new Failure({ reason: 'invalid', field: 'webhook', problem: 'is disabled' })
  const event = { id: newEventId(), type: 'webhook.test' as const, data: { webhook_id: id } }
  const now = res.now()
  const latest = sql`
    SELECT type, at FROM events WHERE workspace_id = ${workspace}
    ORDER BY key DESC LIMIT ${eventsSearched}`
  const statements = eventStatements(res, workspace, event, {
    guard: sql`(SELECT count(*) FROM (${latest})
      WHERE type = 'webhook.test' AND at > ${now - testsPeriod * 1000}) < ${testsMost}`,
    to: sql`w.key = ${key}`,
  })
  const results = await together(res.databaseOf(workspace), statements)
  if (results[0]?.changes === 0)
    throw new Failure({ reason: 'too-many-requests', most: testsMost, seconds: testsPeriod })
  await enqueueAnnounced(res, workspace, results)
  return event.id
}
