import { sql, type SQL } from 'drizzle-orm'
import { stringifyJson } from '../json.ts'
import { ruleRefused } from './rule.ts'

/** D1 takes strings of up to 2 MB. */
const constantsBytesMax = 2_000_000

/**
 * The tables of a compiled rule: `w`, the workspace, and `p`, each constant `v` by its number `k`.
 * Throws `rule-refused` where they are too large.
 */
export function parameters(workspace: number, constants: unknown[]): SQL {
  const json = stringifyJson(constants)
  if (Buffer.byteLength(json) > constantsBytesMax)
    throw ruleRefused('/rule', 'is too large: its values and patterns take more than 2 MB')
  return sql`w AS MATERIALIZED (SELECT ${workspace} AS w),
    p AS MATERIALIZED (SELECT key AS k, value AS v FROM json_each(${json}))`
}
