import { workspaceMoved } from '../failure.ts'
import { listOf, tables, workspaceOf, type Table } from './tables.ts'

const operations = ['INSERT', 'UPDATE', 'DELETE'] as const
type Operation = (typeof operations)[number]

const nameOf = (workspace: number, { name }: Table, operation: Operation) =>
  `move_${workspace}_${name}_${operation.toLowerCase()}`

/**
 * The statements that make the triggers of a workspace on the shard that it is moved from: they keep
 * the key of each row that changes, and refuse the change while the workspace is fenced.
 */
export const createTriggers = (workspace: number): string[] =>
  tables.flatMap((table) =>
    operations.map((operation) => createTrigger(workspace, table, operation)),
  )

export const dropTriggers = (workspace: number): string[] =>
  tables.flatMap((table) =>
    operations.map((operation) => `DROP TRIGGER IF EXISTS ${nameOf(workspace, table, operation)}`),
  )

function createTrigger(workspace: number, table: Table, operation: Operation): string {
  const { name, key } = table
  const row = operation === 'DELETE' ? 'OLD' : 'NEW'
  const owner = workspaceOf(table, row)
  // Of a row that is deleted the parent may be gone: whose it was, the copy knows.
  const isOwn =
    operation === 'DELETE' && table.of !== undefined
      ? `coalesce(${owner}, ${workspace}) = ${workspace}`
      : `${owner} = ${workspace}`
  const keep = (of: string) =>
    `INSERT INTO move_changes (workspace_id, table_name, row_key)
      SELECT ${workspace}, '${name}', ${listOf(key, of)}`
  const before = operation === 'UPDATE' ? `${keep('OLD')} WHERE ${differs(key)};` : ''
  return `CREATE TRIGGER IF NOT EXISTS ${nameOf(workspace, table, operation)} AFTER ${operation} ON ${name}
    WHEN ${isOwn} AND (SELECT state FROM fences WHERE workspace_id = ${workspace}) IS NOT 'swept'
    BEGIN
      SELECT RAISE(ABORT, '${workspaceMoved}') FROM fenced
        WHERE workspace_id = ${workspace} AND ${owner} = ${workspace};
      ${before} ${keep(row)};
    END`
}

const differs = (key: readonly string[]): string =>
  `(${key.map((column) => `OLD."${column}"`).join()}) IS NOT (${key.map((column) => `NEW."${column}"`).join()})`
