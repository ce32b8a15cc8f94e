import type { FileFormat } from '../db/schema.ts'
import { readRows, type Place, type Reading, type Row } from './csv.ts'
import type { Interruptible } from './interruptible.ts'
import { excerptOf, type Problem } from './problem.ts'

/** A row that was refused, with the beginning of its text. */
export type RefusedRow = [line: number, problem: Problem, value: string]

/** A slice of a file: the items of its good rows in the order of writing, and its problems. */
export interface Slice<Item> extends Reading {
  items: Item[]
  rows: number
  badRows: number
  problems: RefusedRow[]
}

/** Where a slice is in its file, and how much is read: `problemsMax` bounds `problems` alone. */
export interface SliceOptions {
  place: Place
  line: number
  last: boolean
  format: FileFormat
  rowsMax: number
  problemsMax: number
}

/** What a row gives; undefined for a header. */
export type ReadRow<Item> = { item: Item } | { problem: Problem } | undefined

/** `read` gets each row, and the text of the slice that it is of. */
export function* readSlice<Item>(
  bytes: ArrayBuffer,
  { problemsMax, rowsMax, format, ...from }: SliceOptions,
  read: (row: Row, text: string) => ReadRow<Item>,
): Interruptible<Slice<Item>> {
  const items: Item[] = []
  const problems: RefusedRow[] = []
  let badRows = 0
  const text: string = Buffer.from(bytes).toString('latin1')
  const { separator, named } = format
  const start = { ...from, separator, namesSeparator: named, rowsMax }
  const reading = yield* readRows(text, start, (row) => {
    const result = read(row, text)
    if (result === undefined) return
    if ('item' in result) items.push(result.item)
    else if (badRows++ < problemsMax)
      problems.push([row.line, result.problem, refusedText(text, row)])
  })
  return { ...reading, items, rows: items.length + badRows, badRows, problems }
}

/** Bytes of a row that are enough for its excerpt. */
const shownBytes = 512

const refusedText = (text: string, { from, to }: Row): string =>
  excerptOf(
    Buffer.from(text.slice(from, Math.min(to, from + shownBytes)), 'latin1').toString('utf8'),
  )
