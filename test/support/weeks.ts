import type { SharedAttribute } from '../../src/db/schema.ts'
import {
  readAttributes,
  valueOf,
  type StoredValue,
  type Value,
} from '../../src/identity/attributes.ts'
import {
  createDefinition,
  type DefinitionDraft,
  type GroupDefinition,
} from '../../src/identity/definitions.ts'
import { eraseDefinition } from '../../src/identity/erase.ts'
import { listHouseholds } from '../../src/identity/households.ts'
import { recordReports } from '../../src/identity/profiles.ts'
import { runRecompute } from '../../src/identity/recompute.ts'
import { refreshGroups } from '../../src/identity/refresh.ts'
import type { Message } from '../../src/messages.ts'
import type { Resources } from '../../src/resources.ts'
import { homeDb } from './databases.ts'
import { inBytes, type Groups, type Town } from './town.ts'

/** A definition by the rooms alone, in a workspace that has no client. */
export function defined(
  res: Resources,
  workspace: number,
  id: string,
  source: string,
  attributes: SharedAttribute[],
  more: Pick<DefinitionDraft, 'matching' | 'ignoreValues' | 'refresh'> = {},
) {
  const draft = { description: '', source, attributes, ...more }
  return createDefinition(res, workspace, id, { draft, by: 'tester' })
}

/** Writes users, each with what is said of them at `at`. */
export function writeUsers(
  res: Resources,
  workspace: number,
  users: [user: string, attributes: Record<string, Value | null>][],
  at = 1,
) {
  const reports = users.map(([user, attributes]) => ({
    user,
    at,
    changes: readAttributes(attributes),
  }))
  return recordReports(res, workspace, reports)
}

/** Delivers a workspace's messages until none is left. */
export async function deliver(
  res: Resources,
  enqueued: Message[],
  workspace: number,
): Promise<void> {
  for (let message = enqueued.shift(); message !== undefined; message = enqueued.shift()) {
    if (message.workspace !== workspace) continue
    res.meter.statements = 0 // each message is an event of its own
    if (message.kind === 'recompute') await runRecompute(res, message)
    if (message.kind === 'refresh-groups') await refreshGroups(res, message)
    if (message.kind === 'erase-definition')
      await eraseDefinition(res, workspace, message.definition)
  }
}

/** The groups of a definition as they are listed to everyone. */
export async function formed(
  res: Resources,
  workspace: number,
  definition: string,
): Promise<Groups> {
  const groups: Groups = new Map()
  for (let after: string | undefined = ''; after !== undefined;) {
    const { groupUsersMax } = res.limits
    const { households, next } = await listHouseholds(
      res.databaseOf(workspace),
      workspace,
      definition,
      { after, size: 100, groupUsersMax },
    )
    for (const { value, members, shared } of households)
      groups.set(value, {
        members: members.map(({ user }) => user),
        shared: Object.fromEntries(shared),
      })
    after = next
  }
  return groups
}

/** What the database holds of a workspace at one moment. */
export interface Moment {
  town: Town
  definitions: (Pick<
    GroupDefinition,
    'key' | 'id' | 'source' | 'attributes' | 'matching' | 'ignoreValues'
  > & {
    seats: Map<string, string>
    groups: Groups
  })[]
}

/** Reads the tables directly, at any moment of a run; shared attributes as readers see them. */
export async function momentOf(workspace: number): Promise<Moment> {
  const of = (query: string) => homeDb.prepare(query).bind(workspace)
  const live = 'group_definitions AS d WHERE d.workspace_id = ? AND d.deleted_at IS NULL'
  const [users, attributes, definitions, members, shared] = await homeDb.batch([
    of('SELECT user_id AS user FROM users WHERE workspace_id = ?'),
    of(
      `SELECT user_id AS user, name, coalesce(sent, value) AS text, type, updated_at AS at
        FROM user_attributes WHERE workspace_id = ?`,
    ),
    of(
      `SELECT key, id, source_user_attribute AS source, attributes, matching,
        ignore_values AS ignoreValues FROM ${live} ORDER BY key`,
    ),
    of(
      `SELECT definition_key AS key, user_id AS user, value FROM identity_members, ${live} AND d.key = definition_key`,
    ),
    of(`SELECT definition_key AS key, value, name, result AS text, type
      FROM group_attributes, ${live} AND d.key = definition_key
      AND (name, function) IN (SELECT value ->> 'id', value ->> 'type' FROM json_each(d.attributes))`),
  ])
  // The columns selected above.
  const rows = <Row>(result: D1Result | undefined) => (result?.results ?? []) as Row[]
  const town: Town = new Map(rows<{ user: string }>(users).map(({ user }) => [user, new Map()]))
  for (const { user, name, at, text, type } of rows<{
    user: string
    name: string
    at: number
    text: string | null
    type: StoredValue['type']
  }>(attributes))
    town.get(user)?.set(name, { value: text === null ? null : valueOf({ text, type }), at })
  return {
    town,
    definitions: rows<{
      key: number
      id: string
      source: string
      attributes: string
      matching: 'normalized' | null
      ignoreValues: string | null
    }>(definitions).map((definition) => {
      const seats = new Map(
        rows<{ key: number; user: string; value: string }>(members)
          .filter(({ key }) => key === definition.key)
          .map(({ user, value }) => [user, value]),
      )
      const groups: Groups = new Map(
        [...new Set(seats.values())]
          .sort(inBytes)
          .map((value) => [value, { members: [], shared: {} }]),
      )
      for (const [user, value] of seats) groups.get(value)?.members.push(user)
      for (const { members } of groups.values()) members.sort(inBytes)
      for (const { key, value, name, ...kept } of rows<
        { key: number; value: string; name: string } & (StoredValue | { text: null })
      >(shared)) {
        if (key !== definition.key) continue
        const group = groups.get(value)
        if (group === undefined)
          throw new Error(`the group of ${value} shares ${name} and has no members`)
        if (kept.text !== null) group.shared[name] = valueOf(kept)
      }
      return {
        ...definition,
        attributes: JSON.parse(definition.attributes) as SharedAttribute[],
        ignoreValues: JSON.parse(definition.ignoreValues ?? 'null') as string[] | null,
        seats,
        groups,
      }
    }),
  }
}
