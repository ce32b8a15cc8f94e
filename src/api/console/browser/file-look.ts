import { readParticipant } from '../../../experience/participant.ts'
import { readRows } from '../../../jobs/csv.ts'
import { formatOf, type HeaderMode } from '../../../jobs/format.ts'
import { findIdColumn } from '../../../jobs/header.ts'
import { runAtOnce } from '../../../jobs/interruptible.ts'
import type { Problem } from '../../../jobs/problem.ts'
import { looksLike } from '../../../jobs/signature.ts'
import type { Head } from './file-head.ts'

/** Rows that are shown. */
const rowsMost = 10

/** A row as the Worker will read it. */
export interface LookRow {
  line: number
  fields: string[]
  is: 'header' | { id: string } | { problem: Problem }
}

/** What a file is read as; `what` it is if it is no list. */
export interface Look {
  what: string | undefined
  isText: boolean
  separator: string
  headed: boolean
  columns: number
  /** Whether several columns are filled, so that none is known to have the ids. */
  isAmbiguous: boolean
  rows: LookRow[]
}

/** How the Worker will read a file, by its beginning: by the same code. */
export function lookAt({ bytes, ended }: Head, header: HeaderMode, participantMax: number): Look {
  const text = Buffer.from(bytes).toString('latin1')
  const format = formatOf(text, { ended, header }, findIdColumn)
  const rows: LookRow[] = []
  const { separator, named } = format
  const start = { place: 'start', line: 0, last: ended, separator, namesSeparator: named } as const
  const reading = readRows(
    text,
    { ...start, rowsMax: rowsMost },
    ({ line, fields, first, quoted }) => {
      const isHeader = first && format.headed === true
      const read = isHeader
        ? undefined
        : readParticipant({ fields, quoted }, format, participantMax)
      rows.push({ line, fields: fields ?? [], is: isOf(read) })
    },
  )
  runAtOnce(reading)
  return {
    what: looksLike(bytes),
    isText: !bytes.includes(0),
    separator,
    headed: format.headed === true,
    isAmbiguous: format.column === null,
    columns: Math.max(0, ...rows.map(({ fields }) => fields.length)),
    rows,
  }
}

const isOf = (read: ReturnType<typeof readParticipant>): LookRow['is'] => {
  if (read === undefined) return 'header'
  return 'item' in read ? { id: read.item } : read
}
