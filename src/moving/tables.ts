/** How the rows of a table belong to a workspace, and in which order they are read. */
export interface Table {
  name: string
  /** Its primary key. */
  key: readonly string[]
  /** Columns that name one row of a workspace, or of one of its parents, in the order of an index. */
  order: readonly string[]
  /** Whose workspace is theirs; without one, they say it themselves. */
  of?: { parent: string; column: string; by: string }
  /** They are read by one parent after the other: the key begins with it. */
  byParent?: true
}

/** A table with a `workspace_id`, which is fixed where the key begins with it. */
const own = (name: string, key: readonly string[], order = key): Table => ({
  name,
  key,
  order: order.filter((column) => column !== 'workspace_id'),
})

const child = (parent: string, name: string, key: readonly [string, ...string[]]): Table => ({
  name,
  key,
  order: key.slice(1),
  of: { parent, column: 'key', by: key[0] },
  byParent: true,
})

const ofClient = (name: string, key: string): Table => ({
  ...own(name, [key]),
  of: { parent: 'clients', column: 'id', by: 'client_id' },
})

/** All tables that have rows of workspaces; parents stand before what belongs to them. */
export const tables: readonly Table[] = [
  own('workspaces', ['workspace_id']),
  own('clients', ['id']),
  own('revocations', ['client_id']),
  ofClient('console_sessions', 'hash'),
  ofClient('console_people', 'email'),
  own('experience_groups', ['key'], ['id']),
  own('members', ['workspace_id', 'participant_id', 'group_key']),
  own('jobs', ['key'], ['id']),
  child('jobs', 'job_problems', ['job_key', 'line']),
  child('jobs', 'sync_rules', ['job_key']),
  own('resumable_uploads', ['key'], ['id']),
  own('users', ['workspace_id', 'user_id']),
  own('deleted_users', ['workspace_id', 'user_id']),
  own('user_attributes', ['workspace_id', 'user_id', 'name']),
  own('group_definitions', ['key']),
  child('group_definitions', 'identity_members', ['definition_key', 'user_id']),
  child('group_definitions', 'group_attributes', ['definition_key', 'value', 'name']),
  child('group_definitions', 'group_corrections', ['definition_key', 'user_id']),
  child('group_definitions', 'group_marks', ['definition_key', 'value']),
  child('group_definitions', 'normalized_values', ['definition_key', 'normalized', 'value']),
  own('recompute_runs', ['key'], ['id']),
  own('audiences', ['key'], ['id']),
  own('experiments', ['key']),
  child('experiments', 'experiment_forced', ['experiment_key', 'participant_id']),
  child('experiments', 'experiment_balances', ['experiment_key']),
  child('experiments', 'exposures', ['experiment_key', 'participant_id', 'version']),
  child('experiments', 'exposure_counts', ['experiment_key', 'version', 'day', 'variant']),
  own('webhooks', ['key'], ['id']),
  own('events', ['key']),
  child('webhooks', 'deliveries', ['webhook_key', 'event_key']),
  child('webhooks', 'delivery_attempts', ['webhook_key', 'event_key', 'attempt']),
  own('event_digests', ['workspace_id', 'day']),
  own('erasures', ['key'], ['id']),
  child('erasures', 'erasure_people', ['erasure_key', 'person_id']),
  own('erased_people', ['workspace_id', 'person_hash']),
  own('idempotency_keys', ['workspace_id', 'client_id', 'key_hash']),
]

/** Tables of an installation, or of one of its shards; previews are kept for an hour where they are. */
export const ofNoWorkspace = [
  'client_places',
  'cron_places',
  'definition_previews',
  'fences',
  'identity_movers',
  'move_changes',
  'moves',
  'places',
]

/** The workspace of a row, in SQL: null where its parent is gone. */
export const workspaceOf = ({ of }: Table, row: string): string =>
  of === undefined
    ? `${row}.workspace_id`
    : `(SELECT workspace_id FROM ${of.parent} WHERE ${of.column} = ${row}.${of.by})`

/** Columns of a row as a JSON list, in SQL. */
export const listOf = (columns: readonly string[], row: string): string =>
  `json_array(${columns.map((column) => `${row}."${column}"`).join(', ')})`
