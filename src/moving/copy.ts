import { eq, sql, type SQL } from 'drizzle-orm'
import { costOf, together, type Db } from '../db/connect.ts'
import { fences, type CopyPlace } from '../db/schema.ts'
import type { Invocation } from '../jobs/invocation.ts'
import {
  deleteRows,
  nextParent,
  rowsOf,
  rowsWith,
  writeRows,
  type Part,
  type Range,
  type Row,
} from './rows.ts'
import { tables, type Table } from './tables.ts'

/** A workspace, and the two databases between which it is moved. */
export interface Moving {
  workspace: number
  source: Db
  target: Db
  columns: ReadonlyMap<string, readonly string[]>
}

/** How far a copy is, which its step guards. */
export interface Standing {
  step: number
  place: CopyPlace
}

export const beginning: CopyPlace = {
  phase: 'copying',
  table: 0,
  parent: 0,
  after: null,
  rows: 0,
  compared: 0,
  changes: 0,
  unlike: 0,
}

/** Undefined where the target has no copy that is not complete. */
export async function findStanding({
  target,
  workspace,
}: Pick<Moving, 'target' | 'workspace'>): Promise<Standing | undefined> {
  const [fence] = await target.select().from(fences).where(eq(fences.workspace, workspace))
  if (fence === undefined || fence.state !== 'arriving' || fence.place === null) return undefined
  return { step: fence.step, place: fence.place }
}

/** Whether the copy still stands where it was read: a constant of the statement. */
const guardOf = ({ workspace }: Moving, { step }: Standing): SQL =>
  sql`(SELECT step FROM fences WHERE workspace_id = ${workspace} AND state = 'arriving') = ${step}`

const moveTo = ({ workspace }: Moving, { step }: Standing, place: CopyPlace): SQL => sql`
  UPDATE fences SET step = step + 1, place = ${JSON.stringify(place)}
  WHERE workspace_id = ${workspace} AND state = 'arriving' AND step = ${step}`

/** Rows of a first batch, as some are large, and of any. */
const rowsFirst = 500
const rowsMost = 2500

const itemsOf = (invocation: Invocation) => Math.min(invocation.items(rowsFirst), rowsMost)

/** Copies the next range of rows. Gives where the copy stands then; undefined: another invocation was first. */
export async function copyRange(
  moving: Moving,
  standing: Standing,
  invocation: Invocation,
): Promise<Standing | undefined> {
  const { place } = standing
  const { table, ...part } = partOf(moving, place)
  if (table === undefined) return toPhase(moving, standing, 'comparing')
  const own = { ...part, table }
  const most = itemsOf(invocation)
  const [{ rows }, { rows: parents }] = await together(moving.source, [
    rowsOf(own, place, most),
    nextParent(own, place.parent),
  ])
  const after = nextPlace(place, { table, rows, isLast: rows.length < most, parents })
  const next = { ...after, rows: place.rows + rows.length }
  const results = await together(moving.target, [
    ...writeRows(own, rows, guardOf(moving, standing)),
    moveTo(moving, standing, next),
  ])
  await invocation.took(costOf(results).ms, rows.length)
  return results.at(-1)?.changes === 1 ? { step: standing.step + 1, place: next } : undefined
}

/** The same for the next range of both databases, which it compares, but for rows that have changed since. */
export async function compareRange(
  moving: Moving,
  standing: Standing,
  invocation: Invocation,
): Promise<Standing | undefined> {
  const { place } = standing
  const { table, ...part } = partOf(moving, place)
  if (table === undefined) return toPhase(moving, standing, 'following')
  const own = { ...part, table }
  const most = itemsOf(invocation)
  const [{ rows, meta }, { rows: parents }, { rows: changed }] = await together(moving.source, [
    rowsOf(own, place, most),
    nextParent(own, place.parent),
    sql<{ key: string }>`SELECT row_key AS key FROM move_changes
      WHERE workspace_id = ${moving.workspace} AND table_name = ${table.name}`,
  ])
  const isLast = rows.length < most
  const upTo = isLast ? null : (rows.at(-1)?.mark ?? null)
  const range: Range = { parent: place.parent, after: place.after, upTo }
  const [{ rows: copies }, { rows: copiedParents }] = await together(moving.target, [
    rowsOf(own, range, rows.length + changed.length + 1),
    nextParent(own, place.parent),
  ])
  await invocation.took(meta.duration, rows.length)
  const alike = areAlike(rows, copies, new Set(changed.map(({ key }) => key)))
  if (!alike) return moved(moving, standing, { ...place, unlike: place.unlike + 1 })
  const next = nextPlace(place, { table, rows, isLast, parents: [...parents, ...copiedParents] })
  return moved(moving, standing, { ...next, compared: place.compared + rows.length, unlike: 0 })
}

/** Whether the same rows are there, but for those with one of these keys. */
function areAlike(rows: readonly Row[], copies: readonly Row[], but: ReadonlySet<string>): boolean {
  const compared = (some: readonly Row[]) => some.filter(({ key }) => !but.has(key))
  const [own, others] = [compared(rows), compared(copies)]
  return own.length === others.length && own.every(({ row }, i) => row === others[i]?.row)
}

/** The table that the copy is at: undefined behind the last. */
const partOf = (
  { workspace, columns }: Moving,
  place: CopyPlace,
): Omit<Part, 'table'> & { table: Table | undefined } => {
  const table = tables[place.table]
  return { workspace, table, columns: columns.get(table?.name ?? '') ?? [] }
}

/** Where a copy goes on after a range. */
function nextPlace(
  place: CopyPlace,
  {
    table,
    rows,
    isLast,
    parents,
  }: {
    table: Table
    rows: readonly Row[]
    isLast: boolean
    parents: readonly { next: number }[]
  },
): CopyPlace {
  if (!isLast) return { ...place, after: rows.at(-1)?.mark ?? place.after }
  const [parent] = parents.map(({ next }) => next).sort((a, b) => a - b)
  if (table.byParent && parent !== undefined) return { ...place, parent, after: null }
  return { ...place, table: place.table + 1, parent: 0, after: null }
}

const toPhase = (moving: Moving, standing: Standing, phase: CopyPlace['phase']) =>
  moved(moving, standing, { ...standing.place, phase, table: 0, parent: 0, after: null })

async function moved(
  moving: Moving,
  standing: Standing,
  place: CopyPlace,
): Promise<Standing | undefined> {
  const { meta } = await moving.target.run(moveTo(moving, standing, place))
  return meta.changes === 1 ? { step: standing.step + 1, place } : undefined
}

/** Takes a step that does nothing, so that nothing from before it counts; undefined: another was first. */
export const takeStep = (moving: Moving, standing: Standing) =>
  moved(moving, standing, standing.place)

/** Changes that are copied together. */
const changesMost = 500

/** The key of a row that has changed since the move began. */
export interface Change {
  seq: number
  name: string
  key: string
}

/** How many changes are not copied yet: `most` for so many and more. */
export async function countChanges({ source, workspace }: Moving, most: number): Promise<number> {
  const [found] = await source.all<{ count: number }>(sql`
    SELECT count(*) AS count FROM (
      SELECT 1 FROM move_changes WHERE workspace_id = ${workspace} LIMIT ${most})`)
  return found?.count ?? 0
}

/** The next changes of a workspace, in their order. */
export const nextChanges = (workspace: number): SQL<Change> => sql`
  SELECT seq, table_name AS name, row_key AS key FROM move_changes
  WHERE workspace_id = ${workspace} ORDER BY seq LIMIT ${changesMost}`

/** The statement that forgets changes that are copied. */
export const forgetChanges = (workspace: number, changes: readonly Change[]): SQL => sql`
  DELETE FROM move_changes WHERE workspace_id = ${workspace} AND seq <= ${changes.at(-1)?.seq ?? 0}`

/**
 * Copies the rows of these changes as they are now, or are gone, and reads them again. False: another
 * invocation was first.
 */
export async function copyChanges(
  moving: Moving,
  standing: Standing,
  changes: readonly Change[],
): Promise<boolean> {
  const { workspace, source, target, columns } = moving
  const parts = tables.flatMap((table) => {
    const keys = [
      ...new Set(changes.flatMap(({ name, key }) => (name === table.name ? [key] : []))),
    ]
    const part: Part = { workspace, table, columns: columns.get(table.name) ?? [] }
    return keys.length === 0 ? [] : [{ part, keys }]
  })
  const now = await together(
    source,
    parts.map(({ part, keys }) => rowsWith(part, keys)),
  )
  const guard = guardOf(moving, standing)
  const place = { ...standing.place, changes: standing.place.changes + changes.length }
  const results = await together(target, [
    ...parts.map(({ part, keys }) => deleteRows(part, keys, guard)),
    ...parts.flatMap(({ part }, i) => writeRows(part, now[i]?.rows ?? [], guard)),
    moveTo(moving, standing, place),
    ...parts.map(({ part, keys }) => rowsWith(part, keys)),
  ])
  const reread = results.slice(-parts.length)
  if (results[results.length - parts.length - 1]?.changes !== 1) return false
  const textOf = (rows: readonly Row[]) =>
    rows
      .map(({ row }) => row)
      .sort()
      .join()
  for (const [i, { part }] of parts.entries())
    if (textOf(now[i]?.rows ?? []) !== textOf((reread[i]?.rows ?? []) as Row[]))
      // of rowsWith
      throw new Error(`the copy of changed rows of ${part.table.name} differs`)
  return true
}
