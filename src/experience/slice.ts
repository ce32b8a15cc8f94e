import { findIdColumn } from '../jobs/header.ts'
import type { Interruptible } from '../jobs/interruptible.ts'
import { readSlice, type SliceOptions, type Slice } from '../jobs/slice.ts'
import { readParticipant } from './participant.ts'
import { sortedRun } from './sort.ts'

/** Reads a slice of a file of participants; sorted ids are written three times as fast. */
export function* readParticipants(
  bytes: ArrayBuffer,
  options: SliceOptions,
  participantMax: number,
): Interruptible<Slice<string>> {
  const { format } = options
  const slice = yield* readSlice(bytes, options, (row) => {
    const { fields, first } = row
    const isHeader = format.headed ?? (fields !== undefined && findIdColumn(fields) !== -1)
    return first && isHeader ? undefined : readParticipant(row, format, participantMax)
  })
  return { ...slice, items: yield* sortedRun(slice.items) }
}
