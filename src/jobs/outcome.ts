import type { jobs, jobStates } from '../db/schema.ts'
import type { Problem } from './problem.ts'

type Counts = Pick<typeof jobs.$inferSelect, 'rows' | 'badRows' | 'audience'>
export type JobState = (typeof jobStates)[number]

/**
 * How a job ends whose file was read to its end. One without a good row fails, so that an empty REPLACE never empties a group by accident:
 * an audience to which nobody belongs, or nobody who can be in a group, is no accident.
 */
export function outcomeOf({
  rows,
  badRows,
  audience,
}: Counts): 'successful' | 'partial' | 'failed' {
  if (rows === badRows && audience === null) return 'failed'
  return badRows === 0 ? 'successful' : 'partial'
}

/** Whether the file of a job is text: no text has a NUL byte. */
export const isText = ({ format }: Pick<typeof jobs.$inferSelect, 'format'>): boolean =>
  format === null || format.nulAt === null

/** Whether so many rows of a REPLACE were refused that the file cannot be what was meant. */
export function isMostlyBad(
  { type, rows, badRows }: Counts & Pick<typeof jobs.$inferSelect, 'type'>,
  badRowsMaxPercent: number,
): boolean {
  return type === 'replace' && 100 * badRows > badRowsMaxPercent * rows
}

/** What was wrong with the file of a failed job as a whole; undefined where its rows say it. */
export function fileProblemOf({
  state,
  failure,
  badRows,
}: Pick<typeof jobs.$inferSelect, 'state' | 'failure' | 'badRows'>): Problem | undefined {
  if (state !== 'failed') return undefined
  if (failure === 'gave-up' || failure === 'not-text' || failure === 'rule') return failure
  return badRows === 0 ? 'no-row' : undefined
}

/** Whether nothing more will happen to the job. */
export function hasEnded(
  state: JobState,
): state is 'successful' | 'partial' | 'failed' | 'cancelled' {
  return (
    state === 'successful' || state === 'partial' || state === 'failed' || state === 'cancelled'
  )
}

type Progress = Pick<
  typeof jobs.$inferSelect,
  'state' | 'type' | 'audience' | 'reached' | 'fileSize' | 'applied'
> & { scanned: number }

/** Whole percent. Reading the file is the larger part of a REPLACE, looking for who is no longer in it the rest; a sync does both at once. */
export function percentOf({
  state,
  type,
  audience,
  reached,
  fileSize,
  applied,
  scanned,
}: Progress): number {
  if (hasEnded(state)) return 100
  if (state === 'waiting') return 0
  const reading = type === 'replace' && audience === null ? 75 : 99
  if (state === 'applying' || state === 'writing') return Math.floor((reading * reached) / fileSize)
  return Math.min(99, reading + Math.floor((24 * applied) / Math.max(1, scanned)))
}
