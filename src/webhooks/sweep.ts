import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { livesHere } from '../db/fenced.ts'
import type { Resources } from '../resources.ts'
import { day } from '../time.ts'
import { deliveryDays } from './history.ts'

const rowsPerSweep = 200
const sweepsPerInvocation = 50

/** Deletes deliveries after thirty days, and events after AUDIT_DAYS, in bounded steps. */
export async function sweepEvents(res: Resources): Promise<void> {
  const db = res.database
  // No longer than their events, by which they are found.
  const days = Math.min(deliveryDays, res.limits.auditDays)
  await repeat(() => sweepDeliveries(db, res.now() - days * day))
  // Whole days, as digests are of days.
  const today = res.now() - (res.now() % day)
  await repeat(() => sweepOldest(db, today - res.limits.auditDays * day))
}

async function repeat(sweep: () => Promise<boolean>): Promise<void> {
  for (let sweeps = 0; sweeps < sweepsPerInvocation && (await sweep()); sweeps++);
}

/**
 * False: there is nothing more to delete. Where the oldest are a copy's, the others wait until it
 * is swept or lives here, at most for days: to look past them would read all of them each time.
 */
async function sweepDeliveries(db: Db, before: number): Promise<boolean> {
  const [end] = await db.all<{ key: number | null }>(sql`
    SELECT max(d.event_key) AS key
    FROM (SELECT event_key FROM deliveries ORDER BY event_key LIMIT ${rowsPerSweep}) AS d
      LEFT JOIN events AS e ON e.key = d.event_key
    WHERE coalesce(e.at, 0) < ${before}`)
  if (end === undefined || end.key === null) return false
  // Keys of a workspace that was moved here are in no order with the others.
  const isOld = sql`coalesce((SELECT at FROM events WHERE key = event_key), 0) < ${before}`
  const [, { changes }] = await together(db, [
    sql`
    DELETE FROM delivery_attempts WHERE (webhook_key, event_key) IN
      (SELECT webhook_key, event_key FROM deliveries
        WHERE event_key <= ${end.key} AND ${isOld} AND ${livesHere()})`,
    sql`DELETE FROM deliveries WHERE event_key <= ${end.key} AND ${isOld} AND ${livesHere()}`,
  ])
  return changes > 0
}

async function sweepOldest(db: Db, before: number): Promise<boolean> {
  const [end] = await db.all<{ key: number | null }>(sql`
    SELECT max(key) AS key FROM (SELECT key, at FROM events ORDER BY key LIMIT ${rowsPerSweep})
    WHERE at < ${before}`)
  if (end === undefined || end.key === null) return false
  const { meta } = await db.run(sql`
    DELETE FROM events WHERE key <= ${end.key} AND at < ${before} AND ${livesHere()}`)
  return meta.changes > 0
}
