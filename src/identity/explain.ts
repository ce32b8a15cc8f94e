import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { SharedAttribute } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { aggregates } from './aggregate.ts'
import { valueOf, type StoredValue, type Value } from './attributes.ts'
import { correctionOf, type Correction, type CorrectionRow } from './corrections.ts'
import type { GroupDefinition } from './definitions.ts'
import type { Exclusion, Given } from './exclusion.ts'
import { caseless } from './readings.ts'

export interface Explanation {
  definition: string
  source: string
  /** The value that the members of the group have in common. */
  group: string
  function: SharedAttribute['type']
  value: Value
  /** When the run began that computed the value, in milliseconds. */
  computedAt: number | null
  /** When changes count: continuously, or with the next run. */
  refresh: GroupDefinition['refresh']
  members: Contribution[]
}

export interface Contribution {
  user: string
  value: Value | null
  updatedAt: number | null
  /** Whether the member's present value has a part in the result. */
  counts: boolean
  /** Why it has none. */
  excluded: Exclusion | null
  /** Why the user is a member, where that was said by hand. */
  correction: Correction | null
}

type Shared = StoredValue &
  Pick<Explanation, 'definition' | 'source' | 'group' | 'function' | 'computedAt' | 'refresh'>
type Member = { user: string; updatedAt: number | null; corrected: string | null } & Pick<
  CorrectionRow,
  'other'
> & { kind: CorrectionRow['kind'] | null } & ((StoredValue & Given) | { text: null })

/** Why a user has an inherited attribute. Throws `not-found` for a user who does not inherit it. */
export async function explain(
  db: Db,
  workspace: number,
  user: string,
  name: string,
): Promise<Explanation> {
  // A definition's id has no colon, an attribute's id may.
  const colon = name.indexOf(':')
  if (colon < 0) throw new Failure({ reason: 'not-found', what: 'attribute', id: name })
  const [definition, attribute] = [name.slice(0, colon), name.slice(colon + 1)]
  const membership = sql`group_definitions AS d
    JOIN identity_members AS s ON s.definition_key = d.key AND s.user_id = ${user}`
  const isDefinition = sql`
    d.workspace_id = ${workspace} AND d.id = ${definition} AND d.deleted_at IS NULL`
  const [shared, members] = await together(db, [
    sql<Shared>`
    SELECT d.id AS definition, d.source_user_attribute AS source, s.value AS "group",
      a.function, a.result AS text, a.type, d.refresh,
      (SELECT max(started_at) FROM recompute_runs AS r
        WHERE r.definition_key = d.key
          AND (r.state = 'successful' OR (r.state <> 'normalizing' AND r.cursor >= s.value))
      ) AS computedAt
    FROM ${membership}
      JOIN group_attributes AS a
        ON a.definition_key = d.key AND a.value = s.value AND a.name = ${attribute}
    WHERE ${isDefinition} AND a.result IS NOT NULL
      AND (a.name, a.function) IN (
        SELECT value ->> 'id', value ->> 'type' FROM json_each(d.attributes))`,
    sql<Member>`
    SELECT m.user_id AS user, coalesce(u.sent, u.value) AS text, u.value AS stored, u.type,
      u.updated_at AS updatedAt, ${caseless(sql`u`)} AS caseless,
      c.kind, c.other_user_id AS other, c.text AS corrected
    FROM ${membership}
      JOIN identity_members AS m ON m.definition_key = d.key AND m.value = s.value
      LEFT JOIN user_attributes AS u
        ON u.workspace_id = ${workspace} AND u.user_id = m.user_id
          AND u.name = ${attribute} AND u.value IS NOT NULL
      LEFT JOIN group_corrections AS c
        ON c.definition_key = d.key AND c.user_id = m.user_id
    WHERE ${isDefinition} ORDER BY m.user_id`,
  ])
  const [found] = shared.rows
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'attribute', id: name })
  const { text, type, ...facts } = found
  return {
    ...facts,
    value: valueOf({ text, type }),
    members: contributions(found.function, members.rows),
  }
}

function contributions(type: SharedAttribute['type'], members: Member[]): Contribution[] {
  const given = members.flatMap((member) => (member.text === null ? [] : [member]))
  const exclusions = new Map(
    aggregates[type].exclusions(given).map((exclusion, i) => [given[i]?.user, exclusion ?? null]),
  )
  return members.map((member) => {
    const { user, updatedAt, kind, other, corrected: text } = member
    const correction = kind === null ? null : correctionOf({ kind, other, text })
    if (member.text === null)
      return { user, value: null, updatedAt, counts: false, excluded: 'missing', correction }
    const excluded = exclusions.get(user) ?? null
    const value = valueOf(member)
    return { user, value, updatedAt, counts: excluded === null, excluded, correction }
  })
}
