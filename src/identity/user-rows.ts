import { sql, type SQL } from 'drizzle-orm'
import type { SharedAttribute } from '../db/schema.ts'
import type { NoValues } from './no-value.ts'

/** A definition whose groups are changed. */
export interface Definition {
  workspace: number
  definitionKey: number
  attributes: SharedAttribute[]
}

/** How the groups of a definition form: by which attribute, compared how, of how many users. */
export interface Seating extends Definition {
  source: string
  matching: 'normalized' | null
  noValues: NoValues
  seatsMax: number
  /** Whether corrections say of some users where they belong. */
  hasCorrections: boolean
}

/** Rows `u` of users' attributes, as the parts of a query. */
export interface UserRows {
  from: SQL
  where: SQL
}

/** Users `u` in the order of their normalized values `nv`, without values that came since. */
export const usersByNormalizedValue = ({
  workspace,
  definitionKey,
  source,
}: Pick<Seating, 'workspace' | 'definitionKey' | 'source'>): UserRows => ({
  from: sql`normalized_values AS nv
    CROSS JOIN user_attributes AS u INDEXED BY user_attributes_by_value`,
  where: sql`nv.definition_key = ${definitionKey}
    AND u.workspace_id = ${workspace} AND u.name = ${source} AND u.value = nv.value`,
})

export const usersByExactValue = ({
  workspace,
  source,
}: Pick<Seating, 'workspace' | 'source'>): UserRows => ({
  from: sql`user_attributes AS u INDEXED BY user_attributes_by_value`,
  where: sql`u.workspace_id = ${workspace} AND u.name = ${source}`,
})

/** The value of the group that a user `u` belongs to. */
export const groupValueColumn = ({ matching }: Pick<Seating, 'matching'>) =>
  sql.raw(matching === null ? 'u.value' : 'nv.normalized')

/** The users of whom no correction says where they belong. */
export function userRows(seating: Seating): UserRows {
  const { from, where } =
    seating.matching === null ? usersByExactValue(seating) : usersByNormalizedValue(seating)
  return { from, where: sql`${where} ${andUncorrected(seating)}` }
}

/** Leaves out users `u` whom a correction puts elsewhere. */
export const andUncorrected = (
  { definitionKey, hasCorrections }: Pick<Seating, 'definitionKey' | 'hasCorrections'>,
  user = sql.raw('u.user_id'),
): SQL =>
  hasCorrections
    ? sql`AND NOT EXISTS (SELECT 1 FROM group_corrections AS c
        WHERE c.definition_key = ${definitionKey} AND c.user_id = ${user})`
    : sql``
