import type { FileFormat } from '../db/schema.ts'
import { byteOrderMark, readRows, separatorNamed } from './csv.ts'

/** Whether the first record of a file names its columns: guessed, or said by the client. */
export const headerModes = ['auto', 'present', 'absent'] as const
export type HeaderMode = (typeof headerModes)[number]

/** How files were read that no format was kept of. */
export const formerFormat: FileFormat = {
  separator: ',',
  header: 'auto',
  headed: null,
  column: null,
  named: false,
  nulAt: null,
}

/** Separators, in the order in which they are thought of. */
const separators = [',', ';', '\t', '|']

/**
 * How a file is read, by its beginning (one character per byte): `ended` tells that it is all of the
 * file, `isHeader` whether a record names columns.
 */
export function formatOf(
  head: string,
  { ended, header }: { ended: boolean; header: HeaderMode },
  isHeader: (fields: string[]) => boolean,
): Omit<FileFormat, 'nulAt'> {
  const at = head.startsWith(byteOrderMark) ? byteOrderMark.length : 0
  const said = separatorNamed(head, at)
  const named = said !== undefined
  const recordsBy = (separator: string) => recordsOf(head, { separator, named, ended })
  const separator = said ?? separatorOf(recordsBy)
  const records = recordsBy(separator)
  const headed = header === 'auto' ? isHeader(records[0] ?? []) : header === 'present'
  return { separator, header, headed, named, column: columnOf(headed ? records.slice(1) : records) }
}

function recordsOf(
  head: string,
  { ended, ...how }: { separator: string; named: boolean; ended: boolean },
): string[][] {
  const records: string[][] = []
  const start = { place: 'start', line: 0, last: ended, most: 1000, ...how } as const
  readRows(head, start, ({ fields }) => fields !== undefined && records.push(fields))
  return records
}

/** The separator that most records have, the first of them before all. */
function separatorOf(recordsBy: (separator: string) => string[][]): string {
  const found = separators.map((separator) => {
    const [first = [], ...others] = recordsBy(separator)
    const records = others.filter((fields) => fields.length > 1).length
    return { separator, first: first.length > 1, records }
  })
  const best = found.reduce((best, next) => {
    if (next.first !== best.first) return next.first ? next : best
    return next.records > best.records ? next : best
  })
  return best.separator
}

/** The only column that holds anything; null where several do. */
function columnOf(records: string[][]): number | null {
  const filled = new Set<number>()
  for (const fields of records)
    for (const [column, field] of fields.entries()) if (field.trim() !== '') filled.add(column)
  const [only = 0] = filled
  return filled.size > 1 ? null : only
}
