import type { EventType } from '../../src/webhooks/event.ts'
import { homeDb } from '../support/databases.ts'

/** The event that announces a change. */
export interface Announced {
  type: EventType
  data: object
}

interface Rows {
  groups: {
    key: number
    id: string
    name: string
    updated: number
    revision: number
    deleted: number | null
  }
  jobs: {
    key: number
    id: string
    group: number
    type: 'add' | 'remove' | 'replace'
    state: string
    failure: string | null
    revision: number
    rows: number
    bad: number
    added: number
    removed: number
  }
  definitions: { key: number; id: string; updated: number; deleted: number | null }
  runs: {
    key: number
    id: string
    definition: number
    state: string
    groups: number
    seated: number
    over: number
    changed: number
  }
  experiments: { key: number; id: string; status: string; version: number }
  webhooks: { key: number; id: string; url: string; types: string | null; disabled: string | null }
}

/** A workspace's rows at one moment, by key, except for events. */
export type Moment = { [Table in keyof Rows]: Map<number, Rows[Table]> }

export async function momentOf(workspace: number): Promise<Moment> {
  const of = (columns: string, table: string) =>
    homeDb
      .prepare(`SELECT key, id, ${columns} FROM ${table} WHERE workspace_id = ? ORDER BY key`)
      .bind(workspace)
  const [groups, jobs, definitions, runs, experiments, webhooks] = await homeDb.batch([
    of('name, updated_at AS updated, revision, deleted_at AS deleted', 'experience_groups'),
    of(
      'group_key AS "group", type, state, failure, revision, rows, bad_rows AS bad, added, removed',
      'jobs',
    ),
    of('last_modified_on AS updated, deleted_at AS deleted', 'group_definitions'),
    of(
      'definition_key AS definition, state, groups, seated, over_limit AS over, changed',
      'recompute_runs',
    ),
    of('status, version', 'experiments'),
    of('url, event_types AS types, disabled', 'webhooks'),
  ])
  // The columns selected above.
  const byKey = <Row extends { key: number }>(result: D1Result | undefined) =>
    new Map(((result?.results ?? []) as Row[]).map((row) => [row.key, row]))
  return {
    groups: byKey(groups),
    jobs: byKey(jobs),
    definitions: byKey(definitions),
    runs: byKey(runs),
    experiments: byKey(experiments),
    webhooks: byKey(webhooks),
  }
}

const typeNames = { add: 'ADD', remove: 'REMOVE', replace: 'REPLACE' }

/** The events that must announce the changes between two moments: one for each. */
export function changesBetween(before: Moment, after: Moment): Announced[] {
  const announced: Announced[] = []
  for (const [key, group] of after.groups) {
    const known = before.groups.get(key)
    const named = { group_id: group.id, name: group.name }
    if (known === undefined) announced.push({ type: 'group.created', data: named })
    else if (known.deleted === null && group.deleted !== null)
      announced.push({ type: 'group.deleted', data: { group_id: group.id } })
    // A job that goes live moves the time, too, and the revision with it.
    else if (known.updated !== group.updated && known.revision === group.revision)
      announced.push({ type: 'group.updated', data: named })
  }
  for (const [key, job] of after.jobs) {
    if (job.state === before.jobs.get(key)?.state) continue
    const { type, revision, added, removed, bad, rows, failure } = job
    const data = { job_id: job.id, group_id: after.groups.get(job.group)?.id }
    if (job.state === 'failed')
      announced.push({ type: 'job.failed', data: { ...data, reason: failure } })
    if (job.state !== 'successful' && job.state !== 'partial') continue
    const unchanged = rows - bad - (type === 'remove' ? removed : added)
    const counts = { type: typeNames[type], revision, added, removed, unchanged, failed: bad }
    announced.push({ type: 'group.participants.changed', data: { ...data, ...counts } })
  }
  for (const [key, { id, updated, deleted }] of after.definitions) {
    const known = before.definitions.get(key)
    const data = { definition_id: id }
    if (known === undefined) announced.push({ type: 'definition.created', data })
    else if (known.deleted === null && deleted !== null)
      announced.push({ type: 'definition.deleted', data })
    else if (known.updated !== updated) announced.push({ type: 'definition.updated', data })
  }
  for (const [key, { id, state, definition, groups, seated, over, changed }] of after.runs) {
    if (state !== 'successful' || before.runs.get(key)?.state === state) continue
    const counts = { groups, users_seated: seated, users_over_limit: over, rows_changed: changed }
    const data = { definition_id: after.definitions.get(definition)?.id, run_id: id, ...counts }
    announced.push({ type: 'household.recomputed', data })
  }
  for (const [key, { id, status, version }] of after.experiments) {
    if (status === (before.experiments.get(key)?.status ?? 'draft')) continue
    const data = { experiment_id: id }
    if (status === 'running')
      announced.push({ type: 'experiment.started', data: { ...data, version } })
    else
      announced.push({ type: status === 'paused' ? 'experiment.paused' : 'experiment.ended', data })
  }
  for (const [key, { id, disabled }] of after.webhooks)
    if (
      (disabled === 'failing' || disabled === 'gone') &&
      before.webhooks.get(key)?.disabled === null
    )
      announced.push({ type: 'webhook.disabled', data: { webhook_id: id, reason: disabled } })
  return announced
}

/** The webhooks that listen for an event of a type at a moment. */
export function listeners({ webhooks }: Moment, type: EventType): Set<number> {
  const listening = [...webhooks.values()].filter(({ types, disabled }) => {
    return disabled === null && (types === null || (JSON.parse(types) as string[]).includes(type)) // as it was written
  })
  return new Set(listening.map(({ key }) => key))
}
