import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { faultOf } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { EventData } from '../webhooks/event.ts'
import type { Caller } from './tokens.ts'

/** Takes work that is done after the answer. */
export type Later = (work: Promise<void>) => void

type RefusalReason = EventData['token.refused']['reason']

const hour = 3_600_000

/** When this isolate last announced a refusal of a client: others within the hour cost nothing. */
const announcedAt = new Map<string, number>()
const clientsMost = 1000

/**
 * Announces that a client was refused: once an hour, as anybody may send its id, and after the
 * answer, whose time would show that the client exists.
 */
export function announceRefusal(
  res: Resources,
  caller: Caller,
  reason: RefusalReason,
  later: Later,
): void {
  const now = res.now()
  if (now - (announcedAt.get(caller.client) ?? 0) < hour) return
  if (announcedAt.size >= clientsMost) announcedAt.delete(announcedAt.keys().next().value ?? '')
  announcedAt.set(caller.client, now)
  later(
    scheduler
      .wait(0)
      .then(() =>
        write(res, caller, reason).catch((error: unknown) =>
          console.error(JSON.stringify({ event: 'refusal-not-announced', ...faultOf(error) })),
        ),
      ),
  )
}

/** The last events of a client, among which a refusal of this hour is looked for. */
const eventsSearched = 100

async function write(
  res: Resources,
  { client, name, workspace }: Caller,
  reason: RefusalReason,
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
