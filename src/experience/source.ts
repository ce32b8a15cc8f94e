import type { Db } from '../db/connect.ts'
import type { Limits, Resources } from '../resources.ts'
import type { Applied, Event } from '../webhooks/event.ts'
import type { GroupJob } from './jobs.ts'

/** Where the participants of a job come from: all that differs between a file and an audience. */
export interface Source {
  /** Whether all items are applied. */
  isAtEnd: boolean
  /** Applies the next items. False: someone else moved the job. */
  next: (res: Resources, db: Db, isOver: () => boolean) => Promise<boolean>
  /** What becomes of the job at its end: it goes live, maybe after a sweep, or fails. */
  end: (limits: Limits) => 'live' | 'sweep' | 'no-good-row' | 'mostly-bad' | 'not-text'
  /** Events beside that of the changed group. */
  events: (data: Applied) => Event[]
  /** Safe to repeat. */
  cleanUp: (res: Resources, db: Db) => Promise<void>
}

export type SourceOf = (job: GroupJob) => Source
