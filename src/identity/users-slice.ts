import type { FileFormat } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { canonical, isTooLong, readId, trimmed } from '../text.ts'
import { fieldsOf, type Row } from '../jobs/csv.ts'
import type { HeaderMode } from '../jobs/format.ts'
import { isRepeatedHeader, isIdColumnName } from '../jobs/header.ts'
import type { Interruptible } from '../jobs/interruptible.ts'
import { mergeSorted } from '../jobs/merge-sort.ts'
import { readSlice, type SliceOptions, type ReadRow, type Slice } from '../jobs/slice.ts'
import { readName, userMax, valueMax } from './attributes.ts'

/** A good row, kept as text, which takes less memory than its cells. */
export interface UserRow {
  id: string
  line: number
  /** One character per byte, as all of the slice. */
  text: string
}

/** `names` are those of the columns after the first; undefined where the first row is no header. */
export interface UserSlice extends Slice<UserRow> {
  names: string[] | undefined
}

export const columnsMax = 100

/**
 * Reads a slice of a file of users, in the order of ids, then of the file. `names` are of columns,
 * from an earlier slice; `shared` of inherited attributes.
 */
export function* readUsers(
  bytes: ArrayBuffer,
  options: SliceOptions,
  { names, shared }: { names: string[] | undefined; shared: ReadonlySet<string> },
): Interruptible<UserSlice> {
  const { header } = options.format
  if (header === 'absent') names = []
  const slice = yield* readSlice(bytes, options, (row, text) => {
    if (!row.first || header === 'absent')
      return names === undefined ? undefined : readUser(row, text, { names, ...options.format })
    names = readHeader(row, header, shared)
    return names === undefined ? { problem: 'header' } : undefined
  })
  // For most ids JavaScript's order is that of SQLite's keys, which is that of bytes.
  const items = yield* mergeSorted(slice.items, ({ id: a }, { id: b }) =>
    a < b ? -1 : a > b ? 1 : 0,
  )
  return { ...slice, items, names }
}

/** The names of the columns after the first; undefined where the row is no header. */
function readHeader(
  { fields }: Row,
  mode: HeaderMode,
  shared: ReadonlySet<string>,
): string[] | undefined {
  const [ids = '', ...names] = fields?.map(canonical) ?? []
  if (mode === 'auto' && !isHeaderOfUsers(ids)) return undefined
  while (names.at(-1) === '') names.pop()
  const given = names.filter((name) => name !== '')
  if (fields === undefined || given.length > columnsMax || new Set(given).size < given.length)
    return undefined
  try {
    const read = names.map((name) => (name === '' ? name : readName(name)))
    return read.some((name) => shared.has(name)) ? undefined : read
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** Whether a field is the name of the column of ids; `id` may be an id too. */
const isHeaderOfUsers = (field: string): boolean =>
  isIdColumnName(field) && field.toLowerCase() !== 'id'

function readUser(
  { fields, from, to, line }: Row,
  text: string,
  { names, header, name }: { names: string[] } & Pick<FileFormat, 'header' | 'name'>,
): ReadRow<UserRow> {
  if (fields === undefined) return { problem: 'format' }
  const [ids = '', ...cells] = fields
  const isNamed = (column: number) => (names[column] ?? '') !== ''
  const needed = names.findLastIndex((name) => name !== '') + 1
  if (cells.length < needed || cells.some((cell, i) => !isNamed(i) && trimmed(cell) !== ''))
    return { problem: 'columns' }
  const read = readId(ids, userMax)
  if ('problem' in read) return { problem: read.problem === 'too-long' ? 'too-long' : 'format' }
  // Joined files have a header in the middle, maybe with other columns.
  if (header !== 'absent' && isRepeatedHeader(read.id, name)) return { problem: 'header' }
  if (cells.some((cell) => isTooLong(cell, valueMax))) return { problem: 'too-long' }
  if (cells.some((cell) => cell.includes('\0'))) return { problem: 'format' }
  return { item: { id: read.id, line, text: text.slice(from, to) } }
}

/** The cell of each named column of a good row, null where it is empty. */
export function cellsOf({ text }: UserRow, names: string[], separator: string): (string | null)[] {
  const [, ...cells] = fieldsOf(text, separator)
  return names.map((name, i) => {
    const cell = cells[i] ?? ''
    return name === '' || trimmed(cell) === '' ? null : cell
  })
}
