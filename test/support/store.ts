import { env } from 'cloudflare:workers'
import { expect } from 'vitest'

export async function tables(): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
      AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations' ORDER BY name`,
  ).all<{ name: string }>()
  return results.map(({ name }) => name)
}

/** Every row of every table, each as a line of text that begins with its table. */
export async function everyRow(): Promise<Set<string>> {
  const names = await tables()
  const found = await env.DB.batch(names.map((name) => env.DB.prepare(`SELECT * FROM ${name}`)))
  return new Set(
    found.flatMap(({ results }, i) => results.map((row) => `${names[i]} ${JSON.stringify(row)}`)),
  )
}

/** Empties every table of every database, so that the next look at all of them is short. */
export async function emptyTables(): Promise<void> {
  await Promise.all([env.DB, env.OTHER_1, env.OTHER_2].map(empty))
}

async function empty(db: D1Database): Promise<void> {
  const { results } = await db
    .prepare(
      `SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'trigger')
        AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' AND name <> 'd1_migrations'
      ORDER BY type DESC`,
    )
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
