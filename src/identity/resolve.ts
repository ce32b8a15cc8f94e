import { sql, type SQL } from 'drizzle-orm'
import { collapsedSql } from './matching.ts'

/**
 * Brings up to date the values of the corrections `c` that `corrections` selects by `key` (of the
 * definition) and `user_id`: who follows somebody has the value that this user has by a correction
 * or an attribute, compared as the definition says now.
 */
const resolve = (corrections: SQL): SQL => sql`
  WITH meant AS (
      SELECT c.definition_key, c.user_id, d.matching,
        CASE WHEN c.kind = 'value' THEN c.text WHEN o.kind = 'value' THEN o.text
          WHEN a.type <> 'list' THEN a.value END AS text,
        CASE WHEN c.kind = 'value' THEN c.folded WHEN o.kind = 'value' THEN o.folded
          WHEN a.type <> 'list' THEN a.folded END AS folded
      FROM (${corrections}) AS p CROSS JOIN group_definitions AS d ON d.key = p.key
        CROSS JOIN group_corrections AS c
          ON c.definition_key = p.key AND c.user_id = p.user_id AND c.kind <> 'alone'
        LEFT JOIN group_corrections AS o
          ON o.definition_key = p.key AND o.user_id = c.other_user_id
        LEFT JOIN user_attributes AS a ON a.workspace_id = d.workspace_id
          AND a.user_id = c.other_user_id AND a.name = d.source_user_attribute),
    resolved AS MATERIALIZED (
      SELECT definition_key, user_id, text, folded,
        iif(matching IS NULL OR text IS NULL, text, ${collapsedSql(sql`coalesce(folded, lower(text))`)}) AS value
      FROM meant)
  UPDATE group_corrections SET text = resolved.text, folded = resolved.folded, value = resolved.value
  FROM resolved
  WHERE group_corrections.definition_key = resolved.definition_key
    AND group_corrections.user_id = resolved.user_id
    AND (group_corrections.text, group_corrections.folded, group_corrections.value)
      IS NOT (resolved.text, resolved.folded, resolved.value)`

/** The same of those who follow the users that a query selects by `key` and `user_id`. */
export const resolveFollowers = (users: SQL): SQL =>
  resolve(sql`
    SELECT p.key, c.user_id FROM (${users}) AS p
      CROSS JOIN group_corrections AS c INDEXED BY group_corrections_by_other
        ON c.definition_key = p.key AND c.other_user_id = p.user_id`)

/** The same of all of a definition. */
export const resolveAll = (definitionKey: number): SQL =>
  resolve(sql`
    SELECT definition_key AS key, user_id FROM group_corrections
    WHERE definition_key = ${definitionKey} AND user_id > ''`)

/** The same of some users of a definition, a query of `user_id`, and of those who follow them. */
export const resolveUsers = (definitionKey: number, users: SQL): SQL =>
  resolve(sql`
    SELECT ${definitionKey} AS key, user_id FROM (${users})
    UNION SELECT c.definition_key, c.user_id
    FROM group_corrections AS c INDEXED BY group_corrections_by_other
    WHERE c.definition_key = ${definitionKey} AND c.other_user_id IN (${users})`)
