import { sql, type SQL } from 'drizzle-orm'
import { eligibleMost } from './crowded.ts'
import { andUncorrected, groupValueColumn, type Seating } from './user-rows.ts'

/** Some groups, by JSON lists of their values; `wanted` has those that do not count as none. */
export interface Listed {
  values: string
  wanted: string
}

/**
 * A query of the users of some groups who may get a seat: the first by user id, and the members.
 * A group of any size takes a few rows.
 */
export function listedUsers(seating: Seating, { wanted }: Listed): SQL {
  const { workspace, definitionKey, source, matching } = seating
  const isOfSource = sql`u.workspace_id = ${workspace} AND u.name = ${source}`
  const spelling = sql.raw(matching === null ? 'v.value' : 'nv.value')
  const spellings = sql`CROSS JOIN normalized_values AS nv ON nv.definition_key = ${definitionKey}`
  const select = sql`SELECT ${groupValueColumn(seating)} AS value, u.user_id, 0 AS none,
    0 AS corrected FROM json_each(${wanted}) AS v`
  const last = sql`(SELECT f.user_id FROM user_attributes AS f INDEXED BY user_attributes_by_value
    WHERE f.workspace_id = ${workspace} AND f.name = ${source} AND f.value = ${spelling}
      AND f.type <> 'list' ${andUncorrected(seating, sql.raw('f.user_id'))}
    ORDER BY f.user_id LIMIT 1 OFFSET ${eligibleMost(seating) - 1})`
  return sql`
    ${select}
      ${matching === null ? sql`` : sql`${spellings} AND nv.normalized = v.value`}
      CROSS JOIN user_attributes AS u INDEXED BY user_attributes_by_value
    WHERE ${isOfSource} AND u.value = ${spelling} AND u.user_id <= ifnull(${last}, x'ff')
      AND u.type <> 'list' ${andUncorrected(seating)}
    UNION ${select}
      CROSS JOIN identity_members AS m INDEXED BY identity_members_by_value
        ON m.definition_key = ${definitionKey} AND m.value = v.value
      CROSS JOIN user_attributes AS u ON ${isOfSource} AND u.user_id = m.user_id
      ${matching === null ? sql`` : sql`${spellings} AND nv.value = u.value`}
    WHERE ${groupValueColumn(seating)} = v.value AND u.type <> 'list' ${andUncorrected(seating)}`
}
