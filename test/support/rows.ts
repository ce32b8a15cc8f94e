import { homeDb } from './databases.ts'

// Rows as they stand in the database, whoever has written them: of workspace 1, with keys of the test's choice.

/** Columns and their values, instead of the usual ones or beside them. */
type Row = Record<string, unknown>

export const insert = (table: string, row: Row): D1PreparedStatement =>
  homeDb
    .prepare(
      `INSERT INTO ${table} (${Object.keys(row).join()}) VALUES (${Object.keys(row).map(() => '?')})`,
    )
    .bind(...Object.values(row))

export const group = (key: number, more: Row = {}) =>
  insert('experience_groups', {
    ...{ key, id: `group ${key}`, workspace_id: 1, name: `group ${key}`, type: '', platform: '' },
    ...{ created_at: 0, updated_at: 0, ...more },
  })

/** As if nobody had moved it for the last five minutes. */
export const unmoved = (table: 'jobs' | 'recompute_runs', key: number) =>
  homeDb
    .prepare(`UPDATE ${table} SET updated_at = updated_at - 300000 WHERE key = ?`)
    .bind(key)
    .run()

export const member = (group_key: number, participant_id: string, more: Row = {}) =>
  insert('members', {
    ...{ workspace_id: 1, participant_id, group_key, added_rev: 1, seen_rev: 1, ...more },
  })

export const job = (key: number, of: number, more: Row = {}) =>
  insert('jobs', {
    ...{ key, id: `job ${key}`, workspace_id: 1, group_key: of, revision: key, type: 'add' },
    ...{ state: 'waiting', file_name: '', file_key: '', file_size: 1, slice_bytes: 1 },
    ...{ created_by: '', created_at: 0, updated_at: 0, ...more },
  })

export const definition = (key: number, more: Row = {}) =>
  insert('group_definitions', {
    ...{ key, workspace_id: 1, id: `definition ${key}`, description: '', attributes: '[]' },
    ...{ source_user_attribute: 'town', created_on: 0, created_by: '' },
    ...{ last_modified_on: 0, last_modified_by: '', ...more },
  })

export const run = (key: number, of: number, more: Row = {}) =>
  insert('recompute_runs', {
    ...{ key, id: `run ${key}`, workspace_id: 1, definition_key: of, state: 'waiting' },
    ...{ created_at: 0, updated_at: 0, ...more },
  })

export const erasure = (key: number, more: Row = {}) =>
  insert('erasures', {
    ...{ key, id: `erasure ${key}`, workspace_id: 1, people: 1, state: 'waiting', removed: '{}' },
    ...{ created_at: 0, updated_at: 0, ...more },
  })

export const halves = [
  { id: 'control', from: 0, to: 5000, value: 'control' },
  { id: 'treatment', from: 5000, to: 10_000, value: 'treatment' },
]

export const experiment = (key: number, more: Row = {}) =>
  insert('experiments', {
    ...{ key, workspace_id: 1, id: `experiment-${key}`, name: '', status: 'running' },
    ...{ variants: JSON.stringify(halves), control: 'control', traffic: 10_000 },
    ...{ created_on: 0, created_by: '', last_modified_on: 0, last_modified_by: '', ...more },
  })

export const audience = (id: string, more: Row = {}) =>
  insert('audiences', {
    ...{ workspace_id: 1, id, name: '', description: '', uses: '[]', refresh: 'on_demand' },
    ...{ created_on: 0, created_by: '', last_modified_on: 0, last_modified_by: '', ...more },
  })

export const webhook = (key: number, more: Row = {}) =>
  insert('webhooks', {
    ...{ key, workspace_id: 1, id: `webhook ${key}`, url: '', description: '', secret: '' },
    ...{ created_on: 0, created_by: '', last_modified_on: 0, last_modified_by: '', ...more },
  })

export const event = (key: number, at: number, more: Row = {}) =>
  insert('events', { key, workspace_id: 1, id: `event ${key}`, type: '', at, data: '{}', ...more })

export const delivery = (webhook_key: number, event_key: number, next_attempt_at: number) =>
  insert('deliveries', {
    ...{ webhook_key, event_key, workspace_id: 1, state: 'pending', attempts: 0, tries: 0 },
    next_attempt_at,
  })
