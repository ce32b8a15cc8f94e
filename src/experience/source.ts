import type { Db } from '../db/connect.ts'
import type { Limits, Resources } from '../resources.ts'
import type { Applied, Event } from '../webhooks/event.ts'
import type { GroupJob } from './jobs.ts'

/** Where the participants of a job come from: all that differs between a file and an audience. */
export interface Source {
  /** The state in which its items are applied (see jobs/slice.ts). */
  state: 'writing' | 'applying'
  /** Applies the next items. False: someone else moved the job. */
  next: (res: Resources, db: Db, job: GroupJob, isOver: () => boolean) => Promise<boolean>
  /** What becomes of a job whose items are all applied: it goes live, maybe after a sweep, or fails. */
  end: (
    job: GroupJob,
    limits: Limits,
  ) => 'live' | 'sweep' | 'no-good-row' | 'mostly-bad' | 'not-text'
  /** Events beside that of the changed group. */
  events: (job: GroupJob, data: Applied) => Event[]
  /** Safe to repeat. */
  cleanUp: (res: Resources, db: Db, job: GroupJob) => Promise<void>
}

export type SourceOf = (job: GroupJob) => Source
