import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'

/** Keys of a range: a database numbers its rows in one range after the other. */
const keysPerRange = 2 ** 36

/** The ranges before it belong to shards, by their numbers: 2^40 keys of each. */
export const rangesFirst = 4096

/**
 * Has a database number its rows from the beginning of a range that no other has: after all rows that
 * come to it by a move, so that they keep their keys, and stand before those that come later.
 */
export async function beginRange(db: Db, range: number): Promise<void> {
  const numbered = sql`(SELECT name FROM sqlite_master
    WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' AND name NOT IN ('moves', 'move_changes'))`
  await together(db, [
    sql`
    INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM ${numbered}
    WHERE name NOT IN (SELECT name FROM sqlite_sequence)`,
    sql`
    UPDATE sqlite_sequence SET seq = max(seq, ${range * keysPerRange})
    WHERE name IN ${numbered}`,
  ])
}
