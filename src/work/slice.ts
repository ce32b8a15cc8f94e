import { readRows, type Place, type Reading, type Row } from './csv.ts'
import type { Job, Problem } from './jobs.ts'

/** A slice of a file: what it says, in the order in which it is to be written, and what was wrong with its other rows. */
export interface Slice<Item> extends Reading {
  items: Item[]
  rows: number
  badRows: number
  problems: [line: number, problem: Problem][]
}

/** Where a slice stands in its file, how many rows it may hold, and how many of its problems are to be named; `badRows` counts them all. */
export interface Placed {
  place: Place
  line: number
  last: boolean
  rowsMax: number
  problemsMax: number
}

/**
 * Rows of one slice at most: two million short ids in 8 MiB would not fit an isolate's memory. A job's checkpoint counts into what a
 * slice holds, and a deploy may come between two of its steps: with another number than it was begun with, some of the slice would be
 * skipped. So the number goes with the name of the state: a version that does not know the name leaves the job alone until one that does
 * comes to it. Files of users keep to `applying`, as earlier versions carry those on whatever their state is called, and syncs, which have
 * no slices. (No more than `sortedRun` has keys for.)
 */
export const rowsMaxOf = ({ state }: Pick<Job, 'state'>) =>
  state === 'applying' ? 200_000 : 262_144

/** Reads a slice row by row: what it says, or what is wrong with it. One that is undefined, as a header, is no row of the file's. */
export function readSlice<Item>(
  bytes: ArrayBuffer,
  { problemsMax, rowsMax, ...from }: Placed,
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
