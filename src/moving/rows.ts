import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jsonLists } from '../db/json-lists.ts'
import { listOf, tables, workspaceOf, type Table } from './tables.ts'

/** A row as texts of JSON, which only SQLite reads: numbers keep all of their digits. */
export interface Row {
  key: string
  /** Its columns of the table's order. */
  mark: string
  row: string
}

/** A table of a workspace, with the columns that the databases have, which may be newer than this version. */
export interface Part {
  workspace: number
  table: Table
  columns: readonly string[]
}

/** Rows of a table between two places: of one parent, where they are read so. */
export interface Range {
  parent: number
  after: string | null
  upTo?: string | null
}

/** The columns of each table. */
export async function findColumns(db: Db): Promise<Map<string, string[]>> {
  const names = JSON.stringify(tables.map(({ name }) => name))
  const found = await db.all<{ name: string; columns: string }>(sql`
    SELECT t.value AS name, (
      SELECT json_group_array(c.name) FROM pragma_table_info(t.value) AS c) AS columns
    FROM json_each(${names}) AS t`)
  // A JSON list of names.
  return new Map(found.map(({ name, columns }) => [name, JSON.parse(columns) as string[]]))
}

/** The next rows of a range, up to `most`. */
export function rowsOf({ workspace, table, columns }: Part, range: Range, most: number): SQL<Row> {
  const order = table.order.map((column) => `r."${column}"`).join()
  return sql`
    SELECT ${textsOf(table, columns)} FROM ${sql.raw(table.name)} AS r
    WHERE ${isOwn(table, workspace, range.parent)} ${within(table, range)}
    ${sql.raw(order === '' ? '' : `ORDER BY ${order}`)} LIMIT ${most}`
}

/** The rows of these keys that there are. */
export const rowsWith = ({ table, columns }: Part, keys: readonly string[]): SQL<Row> => sql`
  SELECT ${textsOf(table, columns)} FROM ${sql.raw(table.name)} AS r
  WHERE ${hasKey(table, 'r', keys)}`

/** The key of the next parent that has rows of the table. */
export function nextParent({ workspace, table }: Part, after: number): SQL<{ next: number }> {
  if (table.of === undefined || table.byParent === undefined)
    return sql`SELECT 0 AS next WHERE false`
  const { parent, column, by } = table.of
  return sql`
    SELECT p.${sql.raw(column)} AS next FROM ${sql.raw(parent)} AS p
    WHERE p.workspace_id = ${workspace} AND p.${sql.raw(column)} > ${after} AND EXISTS (
      SELECT 1 FROM ${sql.raw(table.name)} AS r WHERE r.${sql.raw(by)} = p.${sql.raw(column)})
    ORDER BY 1 LIMIT 1`
}

/**
 * The statements that write rows where `guard` holds. What stands in their way is an older state of
 * a row that has changed since, and is written again.
 */
export const writeRows = ({ table, columns }: Part, rows: readonly Row[], guard: SQL): SQL[] => {
  const names = columns.map((column) => `"${column}"`).join()
  const values = columns.map((_, i) => `value ->> ${i}`).join()
  return jsonLists(rows.map(({ row }) => row)).map(
    (list) => sql`
    INSERT OR REPLACE INTO ${sql.raw(`${table.name} (${names}) SELECT ${values}`)}
    FROM json_each(${list}) WHERE ${guard}`,
  )
}

export const deleteRows = ({ table }: Part, keys: readonly string[], guard: SQL): SQL => sql`
  DELETE FROM ${sql.raw(table.name)} WHERE ${guard} AND ${hasKey(table, table.name, keys)}`

/** The statement that deletes up to `most` rows of a workspace where `guard` holds. */
export function deleteSomeOf(
  { workspace, table }: Omit<Part, 'columns'>,
  most: number,
  guard: SQL,
): SQL {
  const key = (row: string) => sql.raw(table.key.map((column) => `${row}."${column}"`).join())
  const { parent, column, by } = table.of ?? { parent: '', column: '', by: '' }
  const found =
    table.byParent === undefined
      ? sql`${sql.raw(table.name)} AS r WHERE ${isOwn(table, workspace, 0)}`
      : sql`${sql.raw(parent)} AS p CROSS JOIN ${sql.raw(table.name)} AS r
          ON r.${sql.raw(by)} = p.${sql.raw(column)} WHERE p.workspace_id = ${workspace}`
  return sql`
    DELETE FROM ${sql.raw(table.name)} WHERE ${guard} AND (${key(table.name)}) IN (
      SELECT ${key('r')} FROM ${found} LIMIT ${most})`
}

const textsOf = ({ key, order }: Table, columns: readonly string[]): SQL =>
  sql.raw(
    `${listOf(key, 'r')} AS key, ${listOf(order, 'r')} AS mark, ${listOf(columns, 'r')} AS row`,
  )

const isOwn = (table: Table, workspace: number, parent: number): SQL =>
  table.byParent === undefined
    ? sql`${sql.raw(workspaceOf(table, 'r'))} = ${workspace}`
    : sql`r.${sql.raw(table.of?.by ?? '')} = ${parent}`

function within({ order }: Table, { after, upTo = null }: Range): SQL {
  const marks = sql.raw(`(${order.map((column) => `r."${column}"`).join()})`)
  const bound = (mark: string) =>
    sql`(${sql.join(
      order.map((_, i) => sql`${mark} ->> ${sql.raw(String(i))}`),
      sql`, `,
    )})`
  return sql`${after === null ? sql`` : sql`AND ${marks} > ${bound(after)}`}
    ${upTo === null ? sql`` : sql`AND ${marks} <= ${bound(upTo)}`}`
}

const hasKey = ({ key }: Table, row: string, keys: readonly string[]): SQL =>
  sql`(${sql.raw(key.map((column) => `${row}."${column}"`).join())}) IN (
    SELECT ${sql.raw(key.map((_, i) => `value ->> ${i}`).join())} FROM json_each(${`[${keys.join()}]`}))`
