import { readRows, type Place, type Reading } from './csv.ts'
import { isHeader, readParticipant, type Problem } from './participant.ts'

/** A slice of a file as it is written to the members: a sorted run of ids, each once, and what was wrong with the other rows. */
export interface Slice extends Reading {
  ids: string[]
  rows: number
  badRows: number
  problems: [line: number, problem: Problem][]
}

/** Rows of one slice at most: two million short ids in 8 MiB would not fit an isolate's memory. */
const rowsMax = 200_000

/** Reads one slice. At most `problemsMax` problems are named; `badRows` counts them all. */
export function readSlice(bytes: ArrayBuffer, from: { place: Place; line: number; last: boolean }, problemsMax: number): Slice {
  const ids: string[] = []
  const problems: [number, Problem][] = []
  let badRows = 0
  const text: string = Buffer.from(bytes).toString('latin1')
  const reading = readRows(text, { ...from, most: rowsMax }, ({ line, fields, first }) => {
    if (first && fields !== undefined && isHeader(fields)) return
    const row = readParticipant(fields)
    if ('id' in row) ids.push(row.id)
    else if (badRows++ < problemsMax) problems.push([line, row.problem])
  })
  return { ...reading, ids: sortedRun(ids), rows: ids.length + badRows, badRows, problems }
}

/** In key order, a batch touches neighbouring pages of the index: loading is three times as fast as in the order of the file. */
function sortedRun(ids: string[]): string[] {
  // An id cut from a long text is a view of it, which V8 compares four times as slowly as a string of its own.
  const own = JSON.parse(JSON.stringify(ids)) as string[]
  own.sort()
  return own.filter((id, i) => id !== own[i - 1])
}
