import { homeDb } from './databases.ts'
import { tables } from './store.ts'

const keys = [
  ...['key', 'group_key', 'job_key', 'definition_key', 'experiment_key', 'webhook_key'],
  'event_key',
]

/** The second twin has other people. */
const people = ['user_id', 'participant_id']

/** What a twin's rows hold instead, in columns that do not name them. */
const others: Record<string, Record<string, string>> = {
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
  experiments: { description: `'another'`, traffic: 'traffic - 5000' },
  experiment_balances: { result: `json_set(result, '$.members', 77)` },
  experiment_forced: { variant: `iif(variant = 'red', 'blue', 'red')` },
  webhooks: { description: `'another'` },
  events: { data: `json_set(data, '$.another', 1)` },
  delivery_attempts: { answer: `'another'` },
}

/**
 * Copies all rows of the only workspace to two others, under the same ids with other contents: the
 * first twin's keys come before those copied, the second's after them.
 */
export async function twinsOf(workspace: number, twins: [number, number]): Promise<void> {
  const names = (await tables()).filter((name) => name !== 'clients')
  const found = await homeDb.batch<{ name: string }>(
    names.map((name) => homeDb.prepare('SELECT name FROM pragma_table_info(?)').bind(name)),
  )
  const copies = names.flatMap((table, i) => {
    const columns = found[i]?.results.map(({ name }) => name) ?? []
    const values = (column: string, twin: number, by: number) => {
      if (by > 0 && people.includes(column)) return `${column} || '~'`
      if (column === 'workspace_id') return twin
      // The jobs of users' files have the workspace for a group.
      if (keys.includes(column))
        return `iif(${column} = ${-workspace}, ${-twin}, ${column} + ${by})`
      return others[table]?.[column] ?? column
    }
    const rows = ([-1_000_000, 1_000_000] as const).map(
      (by, nth) =>
        `SELECT ${columns.map((column) => values(column, twins[nth] ?? 0, by)).join()} FROM ${table}`,
    )
    const all = rows.join(' UNION ALL ')
    return homeDb.prepare(`INSERT INTO ${table} (${columns.join()}) ${all}`)
  })
  await homeDb.batch(copies)
}
