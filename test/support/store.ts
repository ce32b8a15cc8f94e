import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import { databases, homeDb } from './databases.ts'

export async function tables(): Promise<string[]> {
  const { results } = await homeDb
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
      AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations' ORDER BY name`,
    )
    .all<{ name: string }>()
  return results.map(({ name }) => name)
}

/** Every row of every table of every database, each as a line of text that begins with its table. */
export async function everyRow(): Promise<Set<string>> {
  const names = await tables()
  const found = await Promise.all(
    databases().map((db) => db.batch(names.map((name) => db.prepare(`SELECT * FROM ${name}`)))),
  )
  return new Set(
    found.flatMap((ofOne) =>
      ofOne.flatMap(({ results }, i) => results.map((row) => `${names[i]} ${JSON.stringify(row)}`)),
    ),
  )
}

/**
 * Empties every table of every database, so that the next look at all of them is short; of several
 * shards this isolate knows the places, which stay.
 */
export async function emptyTables(): Promise<void> {
  const stays = databases().length === 1 ? '' : 'places'
  await Promise.all([env.DB, env.OTHER_1, env.OTHER_2].map((db) => empty(db, stays)))
}

async function empty(db: D1Database, stays: string): Promise<void> {
  const { results } = await db
    .prepare(
      `SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'trigger') AND name <> ?
        AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations'
      ORDER BY type DESC`,
    )
    .bind(stays)
    .all<{ type: string; name: string }>()
  if (results.length === 0) return
  // Triggers of a move, which come first, refuse to have rows deleted.
  const emptied = ({ type, name }: { type: string; name: string }) =>
    db.prepare(type === 'trigger' ? `DROP TRIGGER ${name}` : `DELETE FROM ${name}`)
  await db.batch(results.map(emptied))
}

/** What has come and gone in the whole database while something was done. */
export async function changesOf(does: () => Promise<unknown>): Promise<string[]> {
  const before = await everyRow()
  await does()
  const after = await everyRow()
  return [
    ...[...before.difference(after)].map((row) => `- ${row}`),
    ...[...after.difference(before)].map((row) => `+ ${row}`),
  ]
}

/** What is done changes no row of any table. */
export async function changesNothing(what: string, does: () => Promise<unknown>): Promise<void> {
  expect({ what, changes: await changesOf(does) }).toEqual({ what, changes: [] })
}
