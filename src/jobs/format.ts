import type { FileFormat } from '../db/schema.ts'
import { byteOrderMark, readRows, separatorNamed } from './csv.ts'
import { lettersOf } from './header.ts'
import { runAtOnce } from './interruptible.ts'

/** Whether the first record names the columns; `auto` guesses. */
export const headerModes = ['auto', 'present', 'absent'] as const
export type HeaderMode = (typeof headerModes)[number]

/** How files are read whose job has no format stored. */
export const legacyFormat: FileFormat = {
  separator: ',',
  header: 'auto',
  headed: null,
  name: '',
  column: null,
  named: false,
  nulAt: null,
}

/** The first of them wins a tie. */
const separators = [',', ';', '\t', '|']

/**
 * How a file is read, by its beginning (one character per byte), all of it if `ended`. `idColumn`
 * gives a header's column of ids, -1 for other records.
 */
export function formatOf(
  head: string,
  { ended, header }: { ended: boolean; header: HeaderMode },
  idColumn: (fields: string[]) => number,
): Omit<FileFormat, 'nulAt'> {
  const at = head.startsWith(byteOrderMark) ? byteOrderMark.length : 0
  const namedSeparator = separatorNamed(head, at)
  const named = namedSeparator !== undefined
  const recordsBy = (separator: string) =>
    recordsOf(head, { separator, namesSeparator: named, ended })
  const separator = namedSeparator ?? separatorOf(recordsBy)
  const [first = [], ...others] = recordsBy(separator)
  const headerColumn = header === 'absent' ? -1 : idColumn(first)
  const headed = headerColumn !== -1 || header === 'present'
  const filled = filledColumn(headed ? others : [first, ...others])
  // A header that names one column of ids contradicts another that is filled.
  const agrees = headerColumn === -1 || filled === undefined || filled === headerColumn
  const column = agrees ? (filled ?? (filled === null ? null : Math.max(headerColumn, 0))) : null
  const name = headed ? lettersOf(first[column ?? headerColumn] ?? '') : ''
  return { separator, header, headed, name, named, column }
}

function recordsOf(
  head: string,
  { ended, ...options }: { separator: string; namesSeparator: boolean; ended: boolean },
): string[][] {
  const records: string[][] = []
  const start = { place: 'start', line: 0, last: ended, rowsMax: 1000, ...options } as const
  runAtOnce(readRows(head, start, ({ fields = [] }) => records.push(fields)))
  return records
}

/** The separator of most records; of two, that of the first record. */
function separatorOf(recordsBy: (separator: string) => string[][]): string {
  const found = separators.map((separator) => {
    const [first = [], ...others] = recordsBy(separator)
    const records = others.filter((fields) => fields.length > 1).length
    return { separator, first: first.length > 1, records }
  })
  const best = found.reduce((best, next) => {
    if (next.records !== best.records) return next.records > best.records ? next : best
    return next.first && !best.first ? next : best
  })
  return best.separator
}

/** The only column with content: undefined for none, null for several. */
function filledColumn(records: string[][]): number | null | undefined {
  const filled = new Set<number>()
  for (const fields of records)
    for (const [column, field] of fields.entries()) if (field.trim() !== '') filled.add(column)
  const [only] = filled
  return filled.size > 1 ? null : only
}
