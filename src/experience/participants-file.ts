import { sql, type SQL } from 'drizzle-orm'
import { jobs } from '../db/schema.ts'
import { addMembers, listed, removeMembers, upsertMembers } from '../membership/members.ts'
import type { Limits } from '../limits.ts'
import { applySlice, deleteFile, type Content } from '../jobs/apply.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import type { ParticipantsFileJob } from '../jobs/job.ts'
import { tally } from '../jobs/jobs.ts'
import { hasGoodRow, isMostlyBad, isText } from '../jobs/outcome.ts'
import { erasedSince } from './erased-people.ts'
import { readParticipants } from './slice.ts'
import type { Source } from './source.ts'

/** D1 takes strings of up to 2 MB, and an id may have 64 characters of four bytes. */
const idsPerStatement = 7_000

export const participantsFile = (job: ParticipantsFileJob): Source => ({
  isAtEnd: !isText(job) || job.offset === job.fileSize,
  next: (res, invocation) => applySlice(res, job, contentOf(res.limits), invocation),
  end: ({ badRowsMaxPercent }) => {
    if (!isText(job)) return 'not-text'
    if (!hasGoodRow(job)) return 'no-good-row'
    if (isMostlyBad(job, badRowsMaxPercent)) return 'mostly-bad'
    return job.type === 'replace' ? 'sweep' : 'live'
  },
  events: () => [],
  cleanUp: (res) => deleteFile(res, job),
})

const contentOf = ({ participantMax }: Limits): Content<string, ParticipantsFileJob> => ({
  read: (bytes, options) => readParticipants(bytes, options, participantMax),
  write: writeParticipants,
})

const writers = { add: addMembers, remove: removeMembers, replace: upsertMembers }

/** Statements that add, remove or mark participants, each followed by a tally. */
function writeParticipants(ids: string[], job: ParticipantsFileJob): SQL[] {
  const write = writers[job.type]
  const statements: SQL[] = []
  for (let from = 0; from < ids.length; from += idsPerStatement) {
    const some = listed(ids.slice(from, from + idsPerStatement))
    const named = job.type === 'remove' ? some : withoutErased(job, some)
    statements.push(write(job, named, guardOf(jobs, job)), tally(job, 'touched'))
  }
  return statements
}

const withoutErased = (job: ParticipantsFileJob, ids: SQL): SQL =>
  sql`(SELECT value FROM ${ids} WHERE value NOT IN (${erasedSince(job)}))`
