import { env } from 'cloudflare:workers'

const columns = ['extra TEXT', "extra_state TEXT NOT NULL DEFAULT 'later'"]

export async function tables(): Promise<string[]> {
  const { results } = await env.DB.prepare(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'd1_migrations'
       AND NOT name GLOB 'sqlite_*' AND NOT name GLOB '_cf_*' ORDER BY name`,
  ).all<{ name: string }>()
  return results.map(({ name }) => name)
}

/** Columns that this version does not know, in each table, as the migration of a later one adds them. */
export async function addColumns(): Promise<void> {
  const query = "SELECT 1 FROM pragma_table_info('jobs') WHERE name = 'extra'"
  if ((await env.DB.prepare(query).first()) !== null) return
  const statements = (await tables()).flatMap((table) =>
    columns.map((column) => env.DB.prepare(`ALTER TABLE ${table} ADD COLUMN ${column}`)),
  )
  await env.DB.batch(statements)
}
