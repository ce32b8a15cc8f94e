import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { jobs } from '../db/schema.ts'
import type { GroupJob } from '../experience/jobs.ts'
import { parseJson } from '../json.ts'
import { removeUnseen, seeMembers, type Stretch } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import { commitJob } from '../work/apply.ts'
import { unmoved } from '../work/checkpoint.ts'
import { problemsMax, tally } from '../work/jobs.ts'
import type { Compiled } from './compile.ts'
import { compileFor, given, nextStretch } from './questions.ts'
import type { Rule } from './rule.ts'
import { defined, namesOf } from './whole.ts'

/** Users looked at by one statement at most, and by the statements of one step. */
const usersPerStatement = 20_000
const usersPerStep = 200_000

/**
 * Applies the next stretch of users to a sync's group: who belongs is asked and written by one statement, so that nobody is passed over
 * where what is known of a user changes meanwhile, and no id leaves the database. As users come in the order of members, those of the
 * stretch who do not belong are taken out along with it. False: someone else moved the job.
 */
export async function applyAudience(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  // A step that was too long for the database has left no trace but the time that has gone since the one before.
  const next = nextStretch(job.batchIds, res.now() - job.updatedAt, usersPerStep)
  const users = Math.min(job.batchIds, next)
  const size = Math.min(users, usersPerStatement)
  const ahead = await lookAhead(db, job, size, Math.floor(users / size))
  if (ahead === undefined) return false
  const { compiled, parts } = ahead
  const statements = parts.flatMap((part) => writePart(job, compiled, part))
  const reached = parts.at(-1)?.upTo
  // Users are counted as a file's bytes are: it is done once all are looked at, however many they have become.
  const offset =
    reached === undefined
      ? job.fileSize
      : Math.min(job.offset + size * parts.length, job.fileSize - 1)
  const to = {
    cursor: reached ?? '',
    offset,
    reached: offset,
    rows: sql`touched + bad_rows`,
    batchIds: next,
  }
  return (await commitJob(res, db, job, statements, to)).moved
}

/** Users of whom one statement makes members, and how many of them could be no participants. */
interface Part extends Stretch {
  unfit: number
}

/** The job's rule as SQL, and the next users in parts; undefined once another pass has ended the job, or its group is erased. */
async function lookAhead(
  db: Db,
  { key, workspace, cursor }: GroupJob,
  size: number,
  count: number,
) {
  const [rules, definitions, found] = await together(db, [
    sql`SELECT rule FROM sync_rules WHERE job_key = ${key}`,
    defined(workspace),
    // To the end, where fewer are left: a blob is more than any text.
    sql`
    WITH RECURSIVE parts (number, after, last) AS (SELECT 0, NULL, ${cursor ?? ''} UNION ALL
      SELECT number + 1, last, (SELECT user_id FROM users WHERE workspace_id = ${workspace} AND user_id > last ORDER BY user_id LIMIT 1 OFFSET ${size - 1})
      FROM parts WHERE last IS NOT NULL AND number < ${count})
    SELECT after, last, (SELECT count(*) FROM users AS u
      WHERE u.workspace_id = ${workspace} AND u.user_id > after AND u.user_id <= ifnull(last, x'ff') AND NOT ${fits}) AS unfit
    FROM parts WHERE number > 0 ORDER BY number`,
  ])
  // The columns selected there.
  const [kept] = (rules?.results ?? []) as { rule: string }[]
  const rows = (found?.results ?? []) as { after: string; last: string | null; unfit: number }[]
  if (kept === undefined) return undefined
  const rule = parseJson(kept.rule) as Rule // only rules are written
  return {
    compiled: compileFor({ rule, names: namesOf(definitions) }),
    parts: rows.map(({ last, ...part }): Part => ({ ...part, upTo: last ?? undefined })),
  }
}

/** The statements that make a stretch of the group what it should be, and keep what is wrong with users who belong and cannot be in it. */
function writePart(
  job: GroupJob,
  { condition, constants }: Compiled,
  { unfit, ...stretch }: Part,
): SQL[] {
  const { workspace } = job
  const { after, upTo } = stretch
  const belonging = (whose: SQL) => sql`
    (WITH ${given(workspace, constants)} SELECT u.user_id AS value FROM users AS u
     WHERE u.workspace_id = ${workspace} AND u.user_id > ${after} ${upTo === undefined ? sql`` : sql`AND u.user_id <= ${upTo}`} AND ${whose} AND ${sql.raw(condition)})`
  const guard = unmoved(jobs, job)
  const written = [
    seeMembers(job, belonging(fits), guard),
    tally(job, 'touched'),
    removeUnseen(job, stretch, guard),
    tally(job, 'removed'),
  ]
  if (unfit === 0) return written
  return [
    sql`
    INSERT INTO job_problems (job_key, line, problem)
    SELECT j.key, j.touched + j.bad_rows + u.nth, iif(length(trim(u.user_id, ${spaces})) > ${participantMax}, 'too-long', 'format')
    FROM jobs AS j, (SELECT value AS user_id, row_number() OVER (ORDER BY value) AS nth FROM ${belonging(sql`true`)}) AS u
    WHERE j.key = ${job.key} AND j.step = ${job.step} AND NOT ${fits}
    ORDER BY u.nth LIMIT max(0, ${problemsMax} - (SELECT bad_rows FROM jobs WHERE key = ${job.key}))`,
    ...written,
    sql`
    UPDATE jobs SET bad_rows = bad_rows + (SELECT count(*) FROM ${belonging(sql`NOT ${fits}`)})
    WHERE key = ${job.key} AND step = ${job.step}`,
  ]
}

// What `trim` takes off in JavaScript, but for control characters, which no user's id has.
const spaces =
  ' \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff'

/** Whether a user's id can be a participant's (see experience/participant.ts). Trimmed, another would be somebody else's. */
const participantMax = 32
const fits = sql`(length(u.user_id) <= ${participantMax} AND trim(u.user_id) = u.user_id
  AND (octet_length(u.user_id) = length(u.user_id) OR trim(u.user_id, ${spaces}) = u.user_id))`
