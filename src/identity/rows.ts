import { Failure } from '../failure.ts'
import type { Row } from '../work/csv.ts'
import type { Problem } from '../work/jobs.ts'
import { readSlice, type Placed, type Slice } from '../work/slice.ts'
import { isTooLong, isUserId, readName, userMax, valueMax } from './attributes.ts'

/** A user of a file: their id, then what each column says of them, null where it says nothing. */
export type UserRow = [id: string, ...cells: (string | null)[]]

/** A slice of a file of users, and the names of its columns after the first; none where its first row cannot be a header. */
export interface UserSlice extends Slice<UserRow> {
  names: string[] | undefined
}

const columnsMax = 100

/**
 * Reads a slice of a file of users: in the order of their ids, and of the file where one comes twice. `names` are those that an
 * earlier slice has found.
 */
export function readUsers(bytes: ArrayBuffer, at: Placed, names: string[] | undefined): UserSlice {
  const slice = readSlice(bytes, at, (row) => {
    if (row.first) names = readHeader(row)
    else if (names !== undefined) return readUser(row, names.length)
    return row.first && names === undefined ? { problem: 'header' as const } : undefined
  })
  // The order of SQLite's keys is that of bytes; for the texts that most ids are, that of JavaScript is the same.
  slice.items.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return { ...slice, names }
}

/** The names of the columns after `user_id`, or undefined where there is no such header. */
function readHeader({ fields }: Row): string[] | undefined {
  const [first, ...names] = fields?.map((field) => field.trim()) ?? []
  if (
    first?.toLowerCase() !== 'user_id' ||
    names.length > columnsMax ||
    new Set(names).size < names.length
  )
    return undefined
  try {
    return names.map(readName)
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

function readUser({ fields }: Row, columns: number): { item: UserRow } | { problem: Problem } {
  if (fields === undefined) return { problem: 'format' }
  const [field = '', ...cells] = fields
  if (cells.length !== columns) return { problem: 'columns' }
  const id = field.trim()
  if (isTooLong(id, userMax) || cells.some((cell) => isTooLong(cell, valueMax)))
    return { problem: 'too-long' }
  if (!isUserId(id) || cells.some((cell) => cell.includes('\0'))) return { problem: 'format' }
  return { item: [id, ...cells.map((cell) => (cell === '' ? null : cell))] }
}
