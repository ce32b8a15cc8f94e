import type { DatabaseSync } from 'node:sqlite'
import type { Definition } from '../local/platform.ts'

/** One shared attribute for each function; `latest` is of the address. */
export const household = {
  id: 'household',
  description: 'users who share the same physical address',
  source_user_attribute: '$address',
  attributes: [
    { id: 'has_dog', type: 'boolean_or' },
    { id: 'spend', type: 'sum' },
    { id: 'age', type: 'average' },
    { id: '$address', type: 'latest' },
  ],
} satisfies Definition

const members = `
  identity_members AS m LEFT JOIN user_attributes AS u ON u.workspace_id = 1 AND u.user_id = m.user_id AND u.name = ?2
  WHERE m.definition_key = ?1`

// A text that is a number as a whole equals its cast.
const number = 'iif(CAST(u.value AS NUMERIC) = u.value, CAST(u.value AS REAL), NULL)'

/** A row of group, result and type for each group. */
const results = {
  boolean_or: `SELECT m.value, iif(coalesce(max(u.value = 'true'), 0), 'true', 'false'), 'boolean'
    FROM ${members} GROUP BY m.value`,
  sum: `SELECT m.value, sum(${number}), 'number' FROM ${members} GROUP BY m.value`,
  average: `SELECT m.value, avg(${number}), 'number' FROM ${members} GROUP BY m.value`,
  latest: `
    SELECT in_group, value, type FROM (
      SELECT m.value AS in_group, u.value, u.type,
        row_number() OVER (PARTITION BY m.value ORDER BY u.value IS NULL, u.updated_at DESC, m.user_id) AS place
      FROM ${members})
    WHERE place = 1`,
}

const seats = `
  INSERT INTO identity_members (definition_key, user_id, value, joined_at)
  SELECT ?1, user_id, value, ?3 FROM (
    SELECT user_id, value, row_number() OVER (PARTITION BY value ORDER BY user_id) AS place FROM user_attributes
    WHERE workspace_id = 1 AND name = ?2 AND type <> 'list' AND trim(value) <> '')
  WHERE place <= 10`

/**
 * Households of workspace 1 in plain SQLite: one transaction, a statement for seats and one for
 * each attribute.
 */
export function formAtOnce(db: DatabaseSync, definition: number): void {
  db.exec('BEGIN')
  db.prepare(seats).run(definition, household.source_user_attribute, Date.now())
  for (const { id, type } of household.attributes)
    db.prepare(
      `INSERT INTO group_attributes (definition_key, value, name, function, result, type)
      WITH formed (value, result, type) AS (${results[type]}) SELECT ?1, value, ?2, ?3, result, type FROM formed`,
    ).run(definition, id, type)
  db.exec('COMMIT')
}
