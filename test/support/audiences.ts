import { createAudience, updateAudience } from '../../src/audiences/audiences.ts'
import type { Refresh } from '../../src/audiences/refresh-period.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import { sourceOf } from '../../src/audiences/apply.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { runJob } from '../../src/experience/apply.ts'
import { eraseGroup } from '../../src/experience/erase.ts'
import { createGroup, type Group } from '../../src/experience/groups.ts'
import { pruneGroup } from '../../src/experience/prune.ts'
import { stringifyJson } from '../../src/json.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import type { JobRow } from '../../src/jobs/job.ts'
import { attachAudience } from '../../src/audiences/attach.ts'
import { Bank } from './api.ts'
import { homeDb } from './databases.ts'
import { hazardous } from './hazard.ts'

export const audienceScopes = [
  'groups:read',
  'groups:write',
  'users:read',
  'users:write',
  'audiences:read',
  'audiences:write',
]

/** Users with this value of `team`. */
export const teamIs = (value: string): Rule => ({ operator: 'equals', attribute: 'team', value })

/** A group by the rooms alone, in a workspace that has no client. */
export function grouped(
  res: Resources,
  workspace: number,
  name = `group ${crypto.randomUUID()}`,
): Promise<Group> {
  const draft = {
    name,
    description: undefined,
    type: 'EXPERIENCE_GROUP',
    platform: 'RETAIL_BANKING',
  }
  return createGroup(res, workspace, draft)
}

const saved =
  (save: typeof createAudience) =>
  (res: Resources, workspace: number, id: string, rule: Rule, refresh: Refresh = 'on_demand') =>
    save(res, workspace, id, { name: id, description: '', rule, refresh, by: 'tester' })

export const addAudience = saved(createAudience)
export const changeAudience = saved(updateAudience)

/** An audience that fills a group of its own. */
export async function filling(
  res: Resources,
  workspace: number,
  id: string,
  rule: Rule,
  refresh: Refresh = 'on_demand',
): Promise<Group> {
  const group = await grouped(res, workspace)
  await addAudience(res, workspace, id, rule, refresh)
  await attachAudience(res, workspace, id, group.id)
  return group
}

/** A waiting sync of a new group by a resolved rule, which may name unknown groups. */
export async function syncBy(
  res: Resources,
  workspace: number,
  rule: Rule,
): Promise<{ group: Group; key: number }> {
  const id = crypto.randomUUID()
  const group = await filling(res, workspace, id, teamIs('nobody'))
  const { key } = await requestSync(res, workspace, id, { by: 'tester' })
  await homeDb
    .prepare('UPDATE sync_rules SET rule = ? WHERE job_key = ?')
    .bind(stringifyJson(rule), key)
    .run()
  return { group, key }
}

export const invokeJob = (res: Resources, workspace: number, job: number) =>
  runJob(res, { workspace, job }, sourceOf)

/** Delivers messages about experience groups until none is left. */
export async function deliverAll(res: Resources, enqueued: Message[]): Promise<void> {
  let delivered = 0
  for (let message = enqueued.shift(); message !== undefined; message = enqueued.shift()) {
    if (++delivered > 1000) throw new Error('the rooms enqueue for ever')
    res.meter.statements = 0 // each message is an event of its own
    if (message.kind === 'job') await invokeJob(res, message.workspace, message.job)
    if (message.kind === 'erase') await eraseGroup(res, message.workspace, message.group)
    if (message.kind === 'prune') await pruneGroup(res, message)
  }
}

type Shown = Pick<
  JobRow,
  | 'key'
  | 'revision'
  | 'state'
  | 'failure'
  | 'rows'
  | 'badRows'
  | 'added'
  | 'removed'
  | 'audience'
  | 'step'
  | 'createdBy'
>

/** The jobs of a workspace in the order in which they were opened. */
export async function jobsIn(workspace: number): Promise<Shown[]> {
  const { results } = await homeDb
    .prepare(
      `SELECT key, revision, state, failure, rows, bad_rows AS badRows, added, removed,
      audience_id AS audience, step, created_by AS createdBy
    FROM jobs WHERE workspace_id = ? ORDER BY key`,
    )
    .bind(workspace)
    .all<Shown>()
  return results
}

/** Rules stored for syncs, of deleted jobs too. */
export const rulesKept = () =>
  homeDb.prepare('SELECT count(*) AS n FROM sync_rules').first<number>('n')

/** Sets the users per step of a workspace's unended jobs. */
export const inStepsOf = (users: number, workspace: number) =>
  homeDb
    .prepare('UPDATE jobs SET batch_ids = ? WHERE workspace_id = ? AND ended_at IS NULL')
    .bind(users, workspace)
    .run()

/** Users, each with one attribute, as fast as the database writes them. */
export async function crowd(
  workspace: number,
  ids: string[],
  name = 'team',
  value = 'red',
): Promise<void> {
  const listed = JSON.stringify(ids)
  await homeDb.batch([
    homeDb
      .prepare(
        'INSERT INTO users (workspace_id, user_id, created_at) SELECT ?, value, 1 FROM json_each(?)',
      )
      .bind(workspace, listed),
    homeDb
      .prepare(
        `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
        SELECT ?, value, ?, ?, 'string', 1 FROM json_each(?)`,
      )
      .bind(workspace, name, value, listed),
  ])
}

/** Members of a new group, there before its first job. */
export const held = (group: Pick<Group, 'key' | 'workspace'>, ids: string[]) =>
  homeDb.batch([
    homeDb
      .prepare(
        `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
        SELECT ?, value, ?, 0, 0 FROM json_each(?)`,
      )
      .bind(group.workspace, group.key, JSON.stringify(ids)),
    homeDb
      .prepare('UPDATE experience_groups SET participant_count = ? WHERE key = ?')
      .bind(ids.length, group.key),
  ])

/** A workspace with an audience of the red team, which fills a group of `before`. */
export async function filled(users: string[], before: string[]) {
  const bank = await Bank.open()
  const { workspace } = bank
  const { res, ...hazard } = hazardous()
  await crowd(workspace, users)
  const { id: group, key: groupKey } = await filling(res, workspace, 'reds', teamIs('red'))
  await held({ workspace, key: groupKey }, before)
  const sync = () => requestSync(res, workspace, 'reds', { by: 'tester' })
  return { bank, workspace, group, groupKey, res, ...hazard, sync }
}

export const people = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}-${String(i).padStart(5, '0')}`)
