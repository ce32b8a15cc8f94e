import { env } from 'cloudflare:workers'
import { tables } from './store.ts'

const keys = ['key', 'group_key', 'job_key', 'definition_key', 'webhook_key', 'event_key']

/** Of the second, other people are known. */
const people = ['user_id', 'participant_id']

/** What a twin's rows say, where that is not what they are named by. */
const said: Record<string, Record<string, string>> = {
  experience_groups: {
    description: `'another'`,
    participant_count: 'participant_count + 7',
    revision: 'revision + 3',
  },
  members: { added_rev: '0', removed_rev: 'NULL' },
  jobs: { file_name: `'another.csv'`, rows: 'rows + 7', bad_rows: 'bad_rows + 7' },
  job_problems: { line: 'line + 7', value: `'another'` },
  users: { created_at: 'created_at + 7000' },
  user_attributes: { value: `iif(type = 'string', value || '~', value)` },
  group_definitions: { description: `'another'`, source_user_attribute: `'another'` },
  identity_members: { value: `value || '~'` },
  group_attributes: { value: `value || '~'` },
  recompute_runs: { groups: 'groups + 7', seated: 'seated + 7' },
  audiences: { name: `'another'`, description: `'another'` },
  webhooks: { description: `'another'` },
  events: { data: `json_set(data, '$.another', 1)` },
  delivery_attempts: { answer: `'another'` },
}

/**
 * Copies all that is known of the one workspace that there is to others, under the same ids, but says
 * something else. Of the first, rows come before those copied, of the second behind them.
 */
export async function twinsOf(workspace: number, twins: [number, number]): Promise<void> {
  const names = (await tables()).filter((name) => name !== 'clients')
  const found = await env.DB.batch<{ name: string }>(
    names.map((name) => env.DB.prepare('SELECT name FROM pragma_table_info(?)').bind(name)),
  )
  const copies = names.flatMap((table, i) => {
    const columns = found[i]?.results.map(({ name }) => name) ?? []
    const values = (column: string, twin: number, by: number) => {
      if (by > 0 && people.includes(column)) return `${column} || '~'`
      if (column === 'workspace_id') return twin
      // The jobs of users' files have the workspace for a group.
      if (keys.includes(column))
        return `iif(${column} = ${-workspace}, ${-twin}, ${column} + ${by})`
      return said[table]?.[column] ?? column
    }
    const rows = ([-1_000_000, 1_000_000] as const).map(
      (by, nth) =>
        `SELECT ${columns.map((column) => values(column, twins[nth] ?? 0, by)).join()} FROM ${table}`,
    )
    const all = rows.join(' UNION ALL ')
    return env.DB.prepare(`INSERT INTO ${table} (${columns.join()}) ${all}`)
  })
  await env.DB.batch(copies)
}
