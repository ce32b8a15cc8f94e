import { readRows, type Place, type Reading, type Row } from './csv.ts'
import type { Problem } from './jobs.ts'

/** A slice of a file: what it says, in the order in which it is to be written, and what was wrong with its other rows. */
export interface Slice<Item> extends Reading {
  items: Item[]
  rows: number
  badRows: number
  problems: [line: number, problem: Problem][]
}

/** Where a slice stands in its file, and how many of its problems are to be named; `badRows` counts them all. */
export interface Placed {
  place: Place
  line: number
  last: boolean
  problemsMax: number
}

/**
 * Rows of one slice at most: two million short ids in 8 MiB would not fit an isolate's memory. A job's checkpoint counts into what a slice holds, and a
 * deploy may come between two of its steps: with another number here, the version that goes on would skip some of it.
 */
const rowsMax = 200_000

/** Reads a slice row by row: what it says, or what is wrong with it. One that is undefined, as a header, is no row of the file's. */
export function readSlice<Item>(
  bytes: ArrayBuffer,
  { problemsMax, ...from }: Placed,
  read: (row: Row) => { item: Item } | { problem: Problem } | undefined,
): Slice<Item> {
  const items: Item[] = []
  const problems: [number, Problem][] = []
  let badRows = 0
  const text: string = Buffer.from(bytes).toString('latin1')
  const reading = readRows(text, { ...from, most: rowsMax }, (row) => {
    const said = read(row)
    if (said === undefined) return
    if ('item' in said) items.push(said.item)
    else if (badRows++ < problemsMax) problems.push([row.line, said.problem])
  })
  return { ...reading, items, rows: items.length + badRows, badRows, problems }
}
