import type { FileFormat } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { canonical, isTooLong, readId, trimmed } from '../text.ts'
import type { Row } from '../jobs/csv.ts'
import type { HeaderMode } from '../jobs/format.ts'
import { isRepeatedHeader, isIdColumnName } from '../jobs/header.ts'
import { readSlice, type SliceOptions, type ReadRow, type Slice } from '../jobs/slice.ts'
import { readName, userMax, valueMax } from './attributes.ts'

/** A user of a file: their id, then what each column says of them, null where it says nothing. */
export type UserRow = [id: string, ...cells: (string | null)[]]

/** A slice of a file of users, and the names of its columns after the first; none where its first row cannot be a header. */
export interface UserSlice extends Slice<UserRow> {
  names: string[] | undefined
}

const columnsMax = 100

/**
 * Reads a slice of a file of users: in the order of their ids, and of the file where one comes twice.
 * `names` are those that an earlier slice has found, `shared` those that nobody has of their own.
 */
export function readUsers(
  bytes: ArrayBuffer,
  at: SliceOptions,
  { names, shared }: { names: string[] | undefined; shared: ReadonlySet<string> },
): UserSlice {
  const { header } = at.format
  if (header === 'absent') names = []
  const slice = readSlice(bytes, at, (row) => {
    if (!row.first || header === 'absent')
      return names === undefined ? undefined : readUser(row, names, at.format)
    names = readHeader(row, header, shared)
    return names === undefined ? { problem: 'header' } : undefined
  })
  // The order of SQLite's keys is that of bytes; for the texts that most ids are, that of JavaScript is the same.
  slice.items.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return { ...slice, names }
}

/** The names of the columns after the ids', or undefined where there is no such header. A column without a name holds nothing. */
function readHeader(
  { fields }: Row,
  mode: HeaderMode,
  shared: ReadonlySet<string>,
): string[] | undefined {
  const [ids = '', ...names] = fields?.map(canonical) ?? []
  if (mode === 'auto' && !isHeaderOfUsers(ids)) return undefined
  while (names.at(-1) === '') names.pop()
  const named = names.filter((name) => name !== '')
  if (fields === undefined || named.length > columnsMax || new Set(named).size < named.length)
    return undefined
  try {
    const read = names.map((name) => (name === '' ? name : readName(name)))
    return read.some((name) => shared.has(name)) ? undefined : read
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

/** Whether a field names the column of ids: `id` alone may be that of a row. */
const isHeaderOfUsers = (field: string): boolean =>
  isIdColumnName(field) && field.toLowerCase() !== 'id'

function readUser(
  { fields }: Row,
  names: string[],
  { header, name }: Pick<FileFormat, 'header' | 'name'>,
): ReadRow<UserRow> {
  if (fields === undefined) return { problem: 'format' }
  const [ids = '', ...cells] = fields
  const isNamed = (column: number) => (names[column] ?? '') !== ''
  const needed = names.findLastIndex((name) => name !== '') + 1
  if (cells.length < needed || cells.some((cell, i) => !isNamed(i) && trimmed(cell) !== ''))
    return { problem: 'columns' }
  const read = readId(ids, userMax)
  if ('problem' in read) return { problem: read.problem === 'too-long' ? 'too-long' : 'format' }
  // Two files that were put together have a header in the middle, maybe of other columns.
  if (header !== 'absent' && isRepeatedHeader(read.id, name)) return { problem: 'header' }
  if (cells.some((cell) => isTooLong(cell, valueMax))) return { problem: 'too-long' }
  if (cells.some((cell) => cell.includes('\0'))) return { problem: 'format' }
  const kept = cells.slice(0, names.length)
  const said = (cell: string, i: number) => (isNamed(i) && trimmed(cell) !== '' ? cell : null)
  return { item: [read.id, ...kept.map(said)] }
}
