import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { writeParticipants } from '../experience/apply.ts'
import type { GroupJob } from '../experience/jobs.ts'
import { readParticipant } from '../experience/participant.ts'
import { openSync } from '../experience/syncs.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { commitJob, keepProblems } from '../work/apply.ts'
import { problemsMax, type Problem } from '../work/jobs.ts'
import { wake } from '../work/wake.ts'
import { getAudience } from './audiences.ts'
import { compileFor, matchingIn, nextStretch } from './questions.ts'
import type { Rule } from './rule.ts'
import { askAudience, namesIn } from './whole.ts'

/**
 * Opens a job that makes an audience's experience group what the audience is: a REPLACE like that of a file, with the rule as it is now.
 * One that waits already is given the rule instead. Throws `not-found`, `not-tied`, `jobs-waiting`, and what `askAudience` throws.
 */
export async function requestSync(res: Resources, workspace: number, id: string, by: string): Promise<GroupJob> {
  const job = await beginSync(res, workspace, id, by, undefined)
  if (job === undefined) throw new Failure({ reason: 'not-tied', audience: id }) // its group has gone in this moment
  return job
}

/** The same once for a week or a day (see period.ts), however often this is called; undefined where that had its job. */
export async function beginSync(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
  period: string | undefined,
): Promise<GroupJob | undefined> {
  const db = res.databaseOf(workspace)
  const [{ group }, { rule }] = await Promise.all([getAudience(db, workspace, id), askAudience(db, workspace, id)])
  if (group === null) throw new Failure({ reason: 'not-tied', audience: id })
  const job = await openSync(db, workspace, group, { audience: id, rule, createdBy: by, period }, res.limits, res.now())
  if (job !== undefined) await wake(res, { kind: 'job', workspace, job: job.key })
  return job
}

/**
 * Applies the next stretch of users to a sync's group. Who belongs is asked and written in one step, so that nobody is passed over
 * where what is known of a user changes meanwhile. False: someone else moved the job.
 */
export async function applyAudience(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  const { workspace } = job
  const [rule, names] = await Promise.all([ruleOf(db, job), namesIn(db, workspace)])
  if (rule === undefined) return false
  const asked = { rule, names }
  const stretch = { after: job.cursor ?? '', users: job.batchIds }
  const { users, reached, looked, ms } = await matchingIn(db, workspace, compileFor(asked), stretch)

  const good: string[] = []
  const problems: [line: number, problem: Problem][] = []
  for (const [i, user] of users.entries()) {
    const read = readParticipant([user])
    // Trimmed, an id would be another's.
    if ('item' in read && read.item === user) good.push(user)
    else problems.push([job.rows + i + 1, 'problem' in read ? read.problem : 'format'])
  }
  const statements = writeParticipants(good, job)
  const kept = problems.slice(0, Math.max(0, problemsMax - job.badRows))
  if (kept.length > 0) statements.push(keepProblems(job, kept))
  // Users are counted as a file's bytes are: it is done once all are looked at, however many they have become.
  const offset = reached === undefined ? job.fileSize : Math.min(job.offset + looked, job.fileSize - 1)
  const { moved } = await commitJob(res, db, job, statements, {
    cursor: reached ?? '',
    offset,
    reached: offset,
    rows: job.rows + users.length,
    badRows: job.badRows + problems.length,
    batchIds: nextStretch(job.batchIds, ms),
  })
  return moved
}

/** The job's rule; none once another pass has ended the job, or its group is erased. */
async function ruleOf(db: Db, job: GroupJob): Promise<Rule | undefined> {
  const [answer] = await together(db, [sql`SELECT rule FROM sync_rules WHERE job_key = ${job.key}`])
  const [kept] = (answer?.results ?? []) as { rule: string }[] // the column selected
  return kept === undefined ? undefined : (JSON.parse(kept.rule) as Rule) // only rules are written
}
