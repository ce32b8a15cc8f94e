import { sql } from 'drizzle-orm'
import { together } from '../../src/db/connect.ts'
import { announce } from '../../src/webhooks/announce.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { deliverDue } from '../../src/webhooks/due.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { hazardous } from '../support/hazard.ts'
import { newWorkspace } from '../support/workspaces.ts'

export interface Sent {
  url: string
  id: string
  body: string
  stamp: string
  at: number
}

/** How a delivery stands, and the numbers of its attempts of which something is known. */
export interface Stands {
  state: string
  attempts: number
  tries: number
  next: number | null
  known: number[]
}

/** A webhook in its own workspace, whose receiver and clock the test controls. */
export async function scene(
  answer: (sent: Sent) => Response | Promise<Response> = () => new Response(null, { status: 204 }),
) {
  const workspace = newWorkspace()
  const clock = { now: Date.UTC(2027, 0, 1) }
  const sent: Sent[] = []
  const fetch = async (url: string, { headers, body }: RequestInit) => {
    const sentHeaders = new Headers(headers)
    const one = {
      url,
      id: sentHeaders.get('webhook-id') ?? '',
      stamp: sentHeaders.get('webhook-timestamp') ?? '',
      body: String(body),
      at: clock.now,
    }
    sent.push(one)
    return answer(one)
  }
  const hazard = hazardous({}, { fetch, now: () => clock.now })
  const { res } = hazard
  const db = res.databaseOf(workspace)
  const draft = { url: 'https://hooks.shop.com/first', description: '', eventTypes: null }
  const { key, id } = await createWebhook(res, workspace, draft, 'tester')
  return {
    ...hazard,
    workspace,
    clock,
    sent,
    db,
    draft,
    id,
    invoke: () => deliver(res, workspace, key),
    happen: (events: number) =>
      together(
        db,
        Array.from({ length: events }, (_, i) => {
          const event = { type: 'group.deleted', data: { group_id: String(i) } } as const
          return announce(res, workspace, event, sql`true`)
        }).flat(),
      ),
    stands: async (): Promise<Stands[]> => {
      const rows = await db.all<Omit<Stands, 'known'> & { known: string }>(sql`
        SELECT state, attempts, tries, next_attempt_at AS next, (SELECT json_group_array(attempt
          ORDER BY attempt) FROM delivery_attempts AS a
          WHERE a.webhook_key = d.webhook_key AND a.event_key = d.event_key) AS known
        FROM deliveries AS d WHERE webhook_key = ${key} ORDER BY event_key`)
      return rows.map((row) => ({ ...row, known: JSON.parse(row.known) as number[] })) // a list of integers
    },
    disabled: () =>
      db.all(
        sql`SELECT data FROM events WHERE workspace_id = ${workspace} AND type = 'webhook.disabled'`,
      ),
    /** Whether the cron enqueues it. */
    due: async () => {
      await deliverDue(res)
      return hazard.deliveriesEnqueued
        .splice(0)
        .some((message) => message.kind === 'deliver' && message.webhook === key)
    },
  }
}
