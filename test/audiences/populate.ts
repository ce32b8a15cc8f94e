import { checkReferences, withShared } from '../../src/audiences/references.ts'
import { namesIn } from '../../src/audiences/resolve.ts'
import type { ResolvedRule } from '../../src/audiences/compile.ts'
import { countUsers, listUsers } from '../../src/audiences/query.ts'
import { expand } from '../../src/audiences/expand.ts'
import { readRule, type Rule } from '../../src/audiences/rule.ts'
import { connect, type Db } from '../../src/db/connect.ts'
import { columnsOf, readAttributes, type Value } from '../../src/identity/attributes.ts'
import { parseJson, stringifyJson } from '../../src/json.ts'
import type { Population } from './evaluate.ts'
import { homeDb } from '../support/databases.ts'
import { newWorkspace } from '../support/workspaces.ts'

export const db: Db = connect(homeDb, { statements: 0, rowsRead: 0, rowsWritten: 0 })

/** A workspace of one's own, in which only these users are. */
export async function peopled(users: Record<string, Record<string, Value>>): Promise<number> {
  const own = Object.entries(users).map(([id, attributes]) => ({
    id,
    own: new Map(Object.entries(attributes)),
  }))
  return populate({ users: own, definitions: [], cohorts: [] })
}

/** Writes a population into a workspace of its own, as the rooms would. */
export async function populate({ users, definitions, cohorts }: Population): Promise<number> {
  const workspace = newWorkspace()
  const kept = (value: Value | null) => {
    const to = value === null ? null : readAttributes({ one: value })[0]?.to
    return to ? { ...columnsOf(to), ...to } : { value: null, text: null, type: 'string' }
  }
  const attributes = users.flatMap(({ id, own }) =>
    [...own].map(([name, value]) => ({ id, name, ...kept(value) })),
  )
  // Keys start with the workspace's number here, so that tests can compute them.
  const keyed = definitions.map((definition, i) => ({ ...definition, key: workspace * 1000 + i }))
  const groups = keyed.flatMap(({ key, groups }) =>
    groups.map((group, i) => ({ ...group, key, value: `value ${i}` })),
  )
  const seats = groups.flatMap(({ key, value, members }) =>
    members.map((user) => ({ key, value, user })),
  )
  const results = groups.flatMap(({ key, value, shared }) =>
    shared.map(({ name, function: made, result }) => ({
      in_group: value,
      key,
      name,
      made,
      ...kept(result),
    })),
  )
  const joined = cohorts.flatMap(({ members }, i) =>
    members.map((member) => ({ key: workspace * 1000 + i, ...member })),
  )
  const write = (query: string, rows: unknown[]) =>
    homeDb.prepare(query).bind(workspace, JSON.stringify(rows))
  await homeDb.batch([
    write(
      `INSERT INTO users (workspace_id, user_id, created_at) SELECT ?1, value ->> 'id', 0 FROM json_each(?2)`,
      users,
    ),
    write(
      `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at, sent, folded)
        SELECT ?1, value ->> 'id', value ->> 'name', value ->> 'value', value ->> 'type', 0,
          value ->> 'sent', value ->> 'folded' FROM json_each(?2)`,
      attributes,
    ),
    write(
      `INSERT INTO group_definitions (key, workspace_id, id, description, source_user_attribute,
        attributes, created_on, created_by, last_modified_on, last_modified_by, deleted_at)
          SELECT value ->> 'key', ?1, value ->> 'id', '', '$address', value ->> 'shares', 0, '', 0,
          '', iif(value ->> 'deleted', 1, NULL) FROM json_each(?2)`,
      keyed,
    ),
    write(
      `INSERT INTO identity_members (definition_key, user_id, value, joined_at)
        SELECT value ->> 'key', value ->> 'user', value ->> 'value', ?1 FROM json_each(?2)`,
      seats,
    ),
    write(
      `INSERT INTO group_attributes (definition_key, value, name, function, result, type, folded)
        SELECT value ->> 'key', value ->> 'in_group', value ->> 'name', value ->> 'made',
        CASE WHEN value ->> 'made' IN ('sum', 'average') THEN CAST(value ->> 'text' AS REAL)
          WHEN value ->> 'made' IN ('count', 'count_distinct') THEN CAST(value ->> 'text' AS INTEGER)
          ELSE value ->> 'text' END,
        iif(value ->> 'text' IS NULL, NULL, value ->> 'type'), value ->> 'folded' FROM json_each(?2) WHERE ?1`,
      results,
    ),
    write(
      `INSERT INTO experience_groups (key, id, workspace_id, name, type, platform, created_at,
        updated_at, revision, deleted_at)
        SELECT ?1 * 1000 + key, value ->> 'id', ?1, 'cohort ' || key, '', '', 0, 0,
          value ->> 'revision', iif(value ->> 'deleted', 1, NULL)
        FROM json_each(?2)`,
      cohorts,
    ),
    write(
      `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev,
        seen_rev)
        SELECT ?1, value ->> 'user', value ->> 'key', value ->> 'added', value ->> 'removed', 0
        FROM json_each(?2)`,
      joined,
    ),
  ])
  return workspace
}

/** Groups of nobody, for a rule that names them. */
export async function grouping(workspace: number, ids: string[]): Promise<void> {
  // Negative keys, as keys of groups start with the workspace's number.
  await homeDb
    .prepare(
      `INSERT OR IGNORE INTO experience_groups (key, id, workspace_id, name, type, platform, created_at, updated_at)
      SELECT -1000 * ?1 - key - (SELECT count(*) FROM experience_groups
        WHERE workspace_id = ?1), value, ?1, value, '', '', 0, 0
      FROM json_each(?2)`,
    )
    .bind(workspace, JSON.stringify(ids))
    .run()
}

/** A client's rule, resolved with other audiences. Throws `rule-refused`. */
export async function resolved(
  workspace: number,
  given: unknown,
  audiences: ReadonlyMap<string, Rule> = new Map(),
): Promise<ResolvedRule> {
  const rule = readRule(parseJson(stringifyJson(given)))
  const { results } = await homeDb
    .prepare('SELECT id FROM experience_groups WHERE workspace_id = ? AND deleted_at IS NULL')
    .bind(workspace)
    .all<{ id: string }>()
  const groups = new Set(results.map(({ id }) => id))
  const names = { ...(await namesIn(db, workspace)), groups }
  return checkReferences({ rule: withShared(expand(rule, audiences), names), names })
}

/** All for whom a rule holds, page by page; and as many as are counted. */
export async function belonging(
  workspace: number,
  resolved: ResolvedRule,
  size = 1000,
  from = db,
): Promise<{ users: string[]; count: number }> {
  const users: string[] = []
  for (let after: string | undefined = ''; after !== undefined;) {
    const page = await listUsers(from, workspace, resolved, { after, size })
    users.push(...page.users)
    after = page.next
  }
  return { users, count: await countUsers(from, workspace, resolved) }
}
