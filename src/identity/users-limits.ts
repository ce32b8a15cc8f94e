import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import type { UsersFileJob } from '../jobs/job.ts'
import type { Changes } from '../jobs/jobs.ts'
import type { Limits } from '../limits.ts'
import { columnsOfText, nameMax, valueMax } from './attributes.ts'
import { addUsers, bytesOf, type AttributeChange, type UserChange } from './limits.ts'
import { cellsOf, columnsMax, type UserRow } from './users-slice.ts'

/** Bytes of an attribute at most: a character has up to four. */
const attributeBytesMost = 4 * (nameMax + valueMax)

/**
 * Whether a file could give a user more than the limits allow: not where the workspace has few
 * names of attributes. One entry of the index is read of each name.
 */
export async function mayExceed(
  db: Db,
  { workspace, columns }: UsersFileJob,
  { userAttributesMax, profileBytesMax }: Limits,
): Promise<boolean> {
  const most = Math.min(userAttributesMax, Math.floor(profileBytesMax / attributeBytesMost))
  const next = (than: SQL) => sql`(SELECT min(name) FROM user_attributes
    INDEXED BY user_attributes_by_value WHERE workspace_id = ${workspace} AND name > ${than})`
  const found = await db.all<{ name: string | null }>(sql`
    WITH RECURSIVE n (name) AS (
      SELECT ${next(sql`''`)} UNION ALL SELECT ${next(sql`n.name`)} FROM n WHERE name IS NOT NULL
      LIMIT ${most + 1})
    SELECT name FROM n`)
  const names = new Set(found.flatMap(({ name }) => name ?? []))
  // The first slice has yet to be read, and with it the header.
  if (columns === null) return names.size + columnsMax > most
  return new Set([...names, ...columns]).size > most
}

/** What the rows of a user in a file change together: of each attribute, the last holds. */
export const changeOfRows =
  (names: string[], { format, createdAt }: UsersFileJob) =>
  ([user, rows]: [user: string, rows: UserRow[]]): UserChange => {
    const changes = rows.flatMap((row) =>
      cellsOf(row, names, format?.separator ?? ',').flatMap((cell, i): AttributeChange[] => {
        const name = names[i] ?? ''
        return cell === null ? [] : [[name, bytesOf(name, columnsOfText(cell).value), createdAt]]
      }),
    )
    return { user, changes: [...new Map(changes.map((change) => [change[0], change])).values()] }
  }

/** Counts the users that a file has added since; the job's `removed` is how many are counted. */
export const countAdded = ({ key, step, workspace }: UsersFileJob, limits: Limits): SQL =>
  addUsers(
    workspace,
    sql`SELECT added - removed AS added FROM jobs WHERE key = ${key} AND step = ${step}`,
    limits,
  )

/** The change of a job once `countAdded` has counted all. */
export const addedAreCounted: Changes = { removed: sql`added` }
