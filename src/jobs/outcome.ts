import type { Job, JobRow, JobState } from './job.ts'
import type { Problem } from './problem.ts'

/** A file without a good row fails, so that it never empties a group. */
export const hasGoodRow = ({ rows, badRows }: Pick<Job, 'rows' | 'badRows'>): boolean =>
  rows !== badRows

/** How a job ends once all items are applied. */
export const outcomeOf = ({ badRows }: Pick<Job, 'badRows'>): 'successful' | 'partial' =>
  badRows === 0 ? 'successful' : 'partial'

/** Whether a job's file is text, which has no NUL byte. */
export const isText = ({ format }: Pick<JobRow, 'format'>): boolean =>
  format === null || format.nulAt === null

/** Whether a REPLACE has so many bad rows that it must be the wrong file. */
export function isMostlyBad(
  { type, rows, badRows }: Pick<JobRow, 'type' | 'rows' | 'badRows'>,
  badRowsMaxPercent: number,
): boolean {
  return type === 'replace' && 100 * badRows > badRowsMaxPercent * rows
}

const ofWholeFile: ReadonlySet<string> = new Set([
  'gave-up',
  'not-text',
  'rule',
  'limit',
  'overtaken',
  'not-kept',
] satisfies Problem[])

/** What is wrong with the whole file of a failed job; undefined where its rows show it. */
export function fileProblemOf({
  state,
  failure,
  badRows,
}: Pick<Job, 'state' | 'failure' | 'badRows'>): Problem | undefined {
  if (state !== 'failed') return undefined
  if (failure !== null && ofWholeFile.has(failure)) return failure as Problem // each of them is one
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

/** Whole percent; `members` is about how many a sweep scans. */
export function percentOf(job: Job, members = 0): number {
  if (hasEnded(job.state)) return 100
  if (job.state === 'held') return 100
  if (job.state === 'waiting') return 0
  if (job.state === 'applying') return Math.floor(applyingPercent(job) * appliedShare(job, members))
  const walked = job.source === 'users-file' ? 0 : job.walk.members
  return Math.min(99, applyingPercent(job) + Math.floor((24 * walked) / Math.max(1, members)))
}

/** A REPLACE by file is swept after its items are applied. */
const applyingPercent = (job: Job): number =>
  job.source === 'participants-file' && job.type === 'replace' ? 75 : 99

function appliedShare(job: Job, members: number): number {
  if (job.source === 'revision-before') return Math.min(1, job.walk.members / Math.max(1, members))
  if (job.source === 'audience') return job.scanned / job.users
  if (job.source === 'erasure') return job.scanned / job.people
  return job.reached / job.fileSize
}

/** Smaller groups are never guarded: a few removals are a large share of them. */
const guardedFrom = 100

/** Whether a job removes a larger share of its group's members than it may without being held. */
export const removesTooMany = ({
  removed,
  groupCount,
  maxRemovePercent,
}: {
  removed: number
  groupCount: number
  maxRemovePercent: number | null
}): boolean => groupCount >= guardedFrom && 100 * removed > (maxRemovePercent ?? 100) * groupCount
