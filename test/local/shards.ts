import { setKeys } from '../../src/db/keys.ts'

/** What the databases of an installation are called in its config; DB is the first. */
export const bindingOf = (shard: number) => (shard === 0 ? 'DB' : `DB_${shard}`)

/** The same `wrangler.toml` with a database for each of the other shards. */
export const withShards = (toml: string, others: { name: string; id: string }[]): string =>
  toml +
  others
    .map(
      ({ name, id }, i) => `
[[d1_databases]]
binding = "${bindingOf(i + 1)}"
database_name = "${name}"
database_id = "${id}"
migrations_dir = "migrations"
`,
    )
    .join('')

/** How many shards a config has. */
export const shardsIn = (config: string) => config.match(/^binding = "DB(_\d+)?"$/gm)?.length ?? 0

/** How many an option of a program says. */
export function shardsOf(option: string | undefined): number {
  const shards = Number(option ?? 1)
  if (!Number.isInteger(shards) || shards < 1 || shards > 100)
    throw new Error(`--shards is no number from 1 to 100: ${option}`)
  return shards
}

/** What wrangler is called with to bring a shard up to date: its tables, and keys of its own. */
export const migrations = (shard: number, ...where: string[]): string[][] => {
  const binding = bindingOf(shard)
  const sql = setKeys(shard).join('; ').replace(/\s+/g, ' ')
  const keys = ['d1', 'execute', binding, ...where, '--yes', '--command', sql]
  return [['d1', 'migrations', 'apply', binding, ...where], ...(shard === 0 ? [] : [keys])]
}
