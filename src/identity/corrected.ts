import { sql, type SQL } from 'drizzle-orm'
import { isNoValueSql } from './no-value.ts'
import type { Seating } from './user-rows.ts'

/** Whether a definition has corrections, in SQL. */
export const hasCorrections = (definitionKey: number): SQL => sql`(
  SELECT count(*) FROM (SELECT 1 FROM group_corrections
    WHERE definition_key = ${definitionKey} AND user_id > '' LIMIT 1))`

/** A query of the users whom corrections put into the groups for which `condition` of `c` holds. */
export function correctedUsers(
  { definitionKey }: Pick<Seating, 'definitionKey'>,
  condition: SQL,
  none: SQL,
): SQL {
  return sql`
    SELECT c.value, c.user_id, ${none} AS none, 1 AS corrected
    FROM group_corrections AS c INDEXED BY group_corrections_by_value
    WHERE c.definition_key = ${definitionKey} AND ${condition}`
}

/** Whether the value of a correction `c` counts as none. */
export function isNoneCorrected({ noValues }: Pick<Seating, 'noValues'>): SQL {
  const folded = sql`coalesce(c.folded, lower(c.value))`
  return sql`iif(c.kind = 'alone', 0, ${isNoValueSql(sql`c.value`, folded, noValues)})`
}
