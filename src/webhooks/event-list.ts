import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { EventType } from './event.ts'
import { lineOf, type PastEvent } from './record.ts'

/** Which events; those of all times, types, actors and objects where nothing is said. */
export interface EventFilter {
  types?: EventType[] | undefined
  /** Milliseconds, both included. */
  since?: number | undefined
  until?: number | undefined
  /** A client's id. */
  actor?: string | undefined
  object?: { kind: string; id: string } | undefined
}

/** The event after which a list begins; at its first event where nothing is said. */
type From = { after?: string | undefined }

/** Where a scan begins, and which way it goes. */
interface Place {
  afterKey: number
  newest?: boolean
}

/** Events that are read for a page, of which a filter may leave many out. */
const scannedMost = 2000

/**
 * Events in the order in which they happened, or the newest first, and the id after which to go on: null at the end, if
 * there was no event. A page of which the filter leaves all out may be followed by others. Throws
 * `not-found` for `after`.
 */
export async function listEvents(
  db: Db,
  workspace: number,
  {
    after,
    size,
    newest = false,
    ...filter
  }: EventFilter & From & { size: number; newest?: boolean },
): Promise<{ events: PastEvent[]; next: string | null }> {
  const first = newest ? Number.MAX_SAFE_INTEGER : 0
  const afterKey = after === undefined ? first : await keyOf(db, workspace, after)
  const { events, reached } = await findPage(db, workspace, filter, {
    ...{ afterKey, newest, size },
    most: scannedMost,
  })
  return { events, next: reached?.id ?? events.at(-1)?.id ?? null }
}

/** The same of an export, whose invocation may have a thousand statements in all. */
const ofExport = { size: 5000, most: 10_000 }

/** All of these events as lines of JSON, queried as fast as the client reads. Throws `not-found`. */
export async function exportEvents(
  db: Db,
  workspace: number,
  { after, ...filter }: EventFilter & From,
): Promise<ReadableStream<Uint8Array>> {
  let afterKey = after === undefined ? 0 : await keyOf(db, workspace, after)
  const encoder = new TextEncoder()
  let isRead = true
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (isRead) {
          const page = await findPage(db, workspace, filter, { afterKey, ...ofExport })
          const { events, reached } = page
          if (!isRead) return
          if (events.length > 0) controller.enqueue(encoder.encode(events.map(lineOf).join('')))
          if (reached === undefined) return controller.close()
          afterKey = reached.key
          if (events.length > 0) return
        }
      },
      cancel() {
        isRead = false
      },
    },
    { highWaterMark: 0 },
  )
}

/** A page, and the last event that was read for it; undefined at the end. */
async function findPage(
  db: Db,
  workspace: number,
  filter: EventFilter,
  { size, most, ...place }: Place & { size: number; most: number },
): Promise<{ events: PastEvent[]; reached: { key: number; id: string } | undefined }> {
  const conditions = conditionsOf(filter)
  const scan = scanOf(workspace, filter, place, conditions.length === 0 ? size : most)
  const [page, ends] = await together(db, [
    sql<EventRow>`
    SELECT ${eventColumns(sql`e`)} FROM (${scan}) AS s CROSS JOIN events AS e ON e.key = s.key
    WHERE ${sql.join([sql`true`, ...conditions], sql` AND `)} LIMIT ${size}`,
    // Where nothing is left out, a page that is not full is the last.
    ...(conditions.length === 0 ? [] : [lastOf(scan, place)]),
  ])
  const events = page.rows.map(readEvent)
  const last = events.at(-1)
  if (last !== undefined && events.length === size) return { events, reached: last }
  const end = ends?.rows[0] as Scanned | undefined // as `lastOf` gives it
  return { events, reached: end?.scanned === most ? end : undefined }
}

interface Scanned {
  scanned: number
  key: number
  id: string
}

/** The last event of a scan, and how many there are. */
const lastOf = (scan: SQL, { newest = false }: Place) => sql<Scanned>`
  SELECT s.scanned, e.key, e.id
  FROM (SELECT count(*) AS scanned, ${sql.raw(newest ? 'min' : 'max')}(key) AS last
      FROM (${scan})) AS s
    CROSS JOIN events AS e ON e.key = s.last`

/** The keys of the next events, of which a page is a part: by the index that leaves most out. */
function scanOf(
  workspace: number,
  { since, until, actor, object }: EventFilter,
  { afterKey, newest = false }: Place,
  most: number,
): SQL {
  const [index, which] =
    object !== undefined
      ? ['object', sql`AND object_kind = ${object.kind} AND object_id = ${object.id}`]
      : actor !== undefined
        ? ['actor', sql`AND actor_id = ${actor}`]
        : ['workspace', sql``]
  const from = since === undefined ? sql`` : sql`, ${firstKeyAt(workspace, since - writtenWithin)}`
  const to =
    until === undefined ? sql`` : sql`AND key < ${firstKeyAt(workspace, until + writtenWithin)}`
  const before = newest ? sql`AND key < ${afterKey}` : sql``
  return sql`
    SELECT key FROM events INDEXED BY ${sql.raw(`events_by_${index}`)}
    WHERE workspace_id = ${workspace} ${which}
      AND key >= max(${newest ? 1 : afterKey + 1}, 0 ${from}) ${to} ${before}
    ORDER BY key ${sql.raw(newest ? 'DESC' : 'ASC')} LIMIT ${most}`
}

function conditionsOf({ types, since, until, actor, object }: EventFilter): SQL[] {
  return [
    ...(types === undefined
      ? []
      : [sql`e.type IN (SELECT value FROM json_each(${JSON.stringify(types)}))`]),
    ...(since === undefined ? [] : [sql`e.at >= ${since}`]),
    ...(until === undefined ? [] : [sql`e.at <= ${until}`]),
    ...(actor === undefined ? [] : [sql`e.actor_id = ${actor}`]),
    ...(object === undefined
      ? []
      : [sql`e.object_kind = ${object.kind} AND e.object_id = ${object.id}`]),
  ]
}

/** Milliseconds after its time that an event is written at the latest, as batches may wait. */
export const writtenWithin = 5 * 60_000

/**
 * SQL of the key at which events come to `at`: those on the wrong side of it are less than
 * `writtenWithin` off. A binary search, as keys are nearly in the order of time. 0 where there is no
 * event.
 */
export const firstKeyAt = (workspace: number, at: number): SQL => sql`(
  WITH RECURSIVE halved (low, high) AS (
    SELECT (SELECT key FROM events
        WHERE workspace_id = ${workspace} AND key > 0 ORDER BY key LIMIT 1),
      (SELECT key + 1 FROM events
        WHERE workspace_id = ${workspace} AND key > 0 ORDER BY key DESC LIMIT 1)
    UNION ALL
    SELECT iif(e.at < ${at}, e.key + 1, h.low), iif(e.at < ${at}, h.high, (h.low + h.high) / 2)
    FROM halved AS h CROSS JOIN events AS e ON e.key = (
      SELECT n.key FROM events AS n
      WHERE n.workspace_id = ${workspace} AND n.key >= (h.low + h.high) / 2 ORDER BY n.key LIMIT 1)
    WHERE h.low < h.high)
  SELECT coalesce(max(low), 0) FROM halved)`

/** The key of an event. Throws `not-found`. */
export async function keyOf(db: Db, workspace: number, event: string): Promise<number> {
  const [row] = await db.all<{ key: number }>(
    sql`SELECT key FROM events WHERE workspace_id = ${workspace} AND id = ${event}`,
  )
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'event', id: event })
  return row.key
}

/** Throws `not-found`. */
export async function getEvent(db: Db, workspace: number, id: string): Promise<PastEvent> {
  const [row] = await db.all<EventRow>(sql`
    SELECT ${eventColumns(sql`e`)} FROM events AS e
    WHERE e.workspace_id = ${workspace} AND e.id = ${id}`)
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'event', id })
  return readEvent(row)
}

/** A row of `eventColumns`. */
export type EventRow = Omit<PastEvent, 'data' | 'actor' | 'change'> & {
  data: string
  actor: string | null
  change: string | null
}

export const eventColumns = (e: SQL): SQL => sql`${e}.key, ${e}.id, ${e}.type, ${e}.at, ${e}.data,
  ${e}.actor, ${e}.object_kind AS objectKind, ${e}.object_id AS objectId, ${e}.change`

export const readEvent = ({ data, actor, change, ...row }: EventRow): PastEvent => ({
  ...row,
  data: JSON.parse(data) as PastEvent['data'], // as `announce` wrote it
  actor: JSON.parse(actor ?? 'null') as PastEvent['actor'],
  change: JSON.parse(change ?? 'null') as PastEvent['change'],
})
