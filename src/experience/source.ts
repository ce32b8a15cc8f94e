import type { Changes } from '../jobs/jobs.ts'
import type { Invocation } from '../jobs/invocation.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import type { Applied, Event } from '../webhooks/event.ts'
import type { GroupJob } from './jobs.ts'

/** Where a job's participants come from, such as a file. */
export interface Source {
  /** What the job's row is given when it starts. */
  starts?: Changes
  /** Whether all items are applied. */
  isAtEnd: boolean
  /** Applies the next items. False: someone else moved the job. */
  next: (res: Resources, invocation: Invocation) => Promise<boolean>
  /** What follows the last item: going live, a sweep, or failure. */
  end: (
    limits: Limits,
  ) => 'live' | 'sweep' | 'no-good-row' | 'mostly-bad' | 'not-text' | 'overtaken' | 'not-kept'
  /** Events in addition to that of the changed group. */
  events: (data: Applied) => Event[]
  /** Safe to repeat. */
  cleanUp: (res: Resources) => Promise<void>
}

export type SourceOf = (job: GroupJob) => Source
