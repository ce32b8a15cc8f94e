import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { EventData } from '../webhooks/event.ts'
import type { Caller } from './tokens.ts'

/** Is given what is to be done after the answer. */
export type Later = (work: Promise<void>) => void

const hour = 3_600_000

/** When this isolate last told of a client, so that refusals cost nothing then. */
const toldAt = new Map<string, number>()
const clientsMost = 1000

/**
 * Tells that a client was refused by an event, once an hour, as whoever it is may be anybody. After
 * the answer, whose time would tell that there is such a client.
 */
export function tellRefusal(
  res: Resources,
  caller: Caller,
  reason: EventData['token.refused']['reason'],
  later: Later,
): void {
  const now = res.now()
  if (now - (toldAt.get(caller.client) ?? 0) < hour) return
  if (toldAt.size >= clientsMost) toldAt.delete(toldAt.keys().next().value ?? '')
  toldAt.set(caller.client, now)
  later(
    scheduler
      .wait(0)
      .then(() =>
        write(res, caller, reason).catch((error: unknown) =>
          console.error(JSON.stringify({ event: 'refusal-not-told', ...faultOf(error) })),
        ),
      ),
  )
}

/** Of a client's events, which are rare, the last say whether this hour has one. */
const eventsSearched = 100

async function write(
  res: Resources,
  { client, name, workspace }: Caller,
  reason: EventData['token.refused']['reason'],
): Promise<void> {
  const notThisHour = sql`NOT EXISTS (
    SELECT 1 FROM (
      SELECT type, at FROM events
      WHERE workspace_id = ${workspace} AND object_kind = 'client' AND object_id = ${client}
      ORDER BY key DESC LIMIT ${eventsSearched})
    WHERE type = 'token.refused' AND at > ${res.now() - hour})`
  const data = { client_id: client, name, reason }
  const event = { type: 'token.refused' as const, data }
  const results = await together(
    res.databaseOf(workspace),
    announce(res, workspace, event, notThisHour),
  )
  await enqueueAnnounced(res, workspace, results)
}
