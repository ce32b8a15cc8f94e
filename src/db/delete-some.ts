import { sql, type SQL } from 'drizzle-orm'

/** Deletes up to `most` rows of a table, whose primary key is `key`: SQLite's DELETE has no LIMIT. */
export const deleteSome = (table: SQL, key: SQL, where: SQL, most: number): SQL => sql`
  DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${where} LIMIT ${most})`
