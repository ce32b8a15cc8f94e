import { eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { jobs, syncRules } from '../db/schema.ts'
import type { GroupJob } from '../experience/jobs.ts'
import { participantsFile } from '../experience/participants-file.ts'
import type { Source, SourceOf } from '../experience/source.ts'
import { parseJson } from '../json.ts'
import { removeUnseen, seeMembers, type Range } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import { commitJob } from '../jobs/apply.ts'
import { unmoved } from '../jobs/checkpoint.ts'
import { problemsMax, tally } from '../jobs/jobs.ts'
import type { ResolvedRule, Compiled } from './compile.ts'
import { fits, unfitness } from './fits.ts'
import { gone, needsOf } from './missing.ts'
import { compileFor, given, nextRange } from './query.ts'
import type { Rule } from './rule.ts'
import { defined, groupsOf, liveGroups, namesOf } from './resolve.ts'

/** Users looked at by one statement at most, and by the statements of one step. */
const usersPerStatement = 20_000
const usersPerStep = 200_000

/**
 * Applies the next range of users to a sync's group: who belongs is asked and written by one statement, so that nobody is passed over
 * where what is known of a user changes meanwhile, and no id leaves the database. As users come in the order of members, those of the
 * range who do not belong are taken out along with it. Where something is no more that the rule names, the job fails instead, and is
 * undone. False: someone else moved the job.
 */
export async function applyAudience(res: Resources, db: Db, job: GroupJob): Promise<boolean> {
  // A step that was too long for the database has left no trace but the time that has gone since the one before.
  const fit = res.limits.participantMax
  const next = nextRange(job.batchIds, res.now() - job.updatedAt, usersPerStep)
  const users = Math.min(job.batchIds, next)
  const size = Math.min(users, usersPerStatement)
  const ahead = await scanAhead(db, job, { size, count: Math.floor(users / size), fit })
  if (ahead === undefined) return false
  const { asked, parts } = ahead
  const needs = needsOf(asked.rule, asked.names)
  const compiled = needs.every(({ there }) => there) ? compileFor(asked) : undefined
  const statements =
    compiled === undefined ? [] : parts.flatMap((part) => writePart(job, compiled, part, fit))
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
  const failing = failWithout(job, gone(job.workspace, needs), res.now())
  const { moved, results } = await commitJob(res, db, job, [...failing, ...statements], to)
  return moved || results[failing.length - 1]?.meta.changes === 1
}

/** The users of an audience, a range at a time. */
export const audienceSource: Source = {
  // It has no slices.
  state: 'applying',
  next: applyAudience,
  // It goes by user, and so has taken out already who has left.
  end: () => 'live',
  events: (job, data) =>
    job.audience === null
      ? []
      : [{ type: 'audience.synced', data: { ...data, audience_id: job.audience } }],
  cleanUp: async (_, db, job) => {
    await db.delete(syncRules).where(eq(syncRules.job, job.key))
  },
}

/** What a job's participants come from. */
export const sourceOf: SourceOf = ({ audience }) =>
  audience === null ? participantsFile : audienceSource

/** The statements that fail a job where something is missing, and say what: those behind them find the job moved. */
const failWithout = (job: GroupJob, missing: SQL, now: number): SQL[] => [
  sql`
  INSERT INTO job_problems (job_key, line, problem, value)
  SELECT ${job.key}, 0, 'rule', missing FROM (SELECT ${missing} AS missing)
  WHERE missing IS NOT NULL AND ${unmoved(jobs, job)}`,
  sql`
  UPDATE jobs SET state = 'undoing', failure = 'rule', cursor = '', applied = 0, step = step + 1, updated_at = ${now}
  WHERE key = ${job.key} AND step = ${job.step} AND ${missing} IS NOT NULL`,
]

/** Users of whom one statement makes members, and how many of them could be no participants. */
interface Part extends Range {
  unfit: number
}

/** The job's rule, and the next users in parts; undefined once another invocation has ended the job, or its group is erased. */
async function scanAhead(
  db: Db,
  { key, workspace, cursor }: GroupJob,
  { size, count, fit }: { size: number; count: number; fit: number },
): Promise<{ asked: ResolvedRule; parts: Part[] } | undefined> {
  const [rules, definitions, groups, found] = await together(db, [
    sql`SELECT rule FROM sync_rules WHERE job_key = ${key}`,
    defined(workspace),
    liveGroups(
      workspace,
      sql`SELECT named.atom FROM sync_rules AS s, json_tree(s.rule) AS named WHERE s.job_key = ${key} AND named.key = 'group'`,
    ),
    // To the end, where fewer are left: a blob is more than any text.
    sql`
    WITH RECURSIVE parts (number, after, last) AS (SELECT 0, NULL, ${cursor ?? ''} UNION ALL
      SELECT number + 1, last, (SELECT user_id FROM users WHERE workspace_id = ${workspace} AND user_id > last ORDER BY user_id LIMIT 1 OFFSET ${size - 1})
      FROM parts WHERE last IS NOT NULL AND number < ${count})
    SELECT after, last, (SELECT count(*) FROM users AS u
      WHERE u.workspace_id = ${workspace} AND u.user_id > after AND u.user_id <= ifnull(last, x'ff') AND NOT ${fits(fit)}) AS unfit
    FROM parts WHERE number > 0 ORDER BY number`,
  ])
  // The columns selected there.
  const [kept] = (rules?.results ?? []) as { rule: string }[]
  const rows = (found?.results ?? []) as { after: string; last: string | null; unfit: number }[]
  if (kept === undefined) return undefined
  const rule = parseJson(kept.rule) as Rule // only rules are written
  return {
    asked: { rule, names: namesOf(definitions, groupsOf(groups)) },
    parts: rows.map(({ last, ...part }): Part => ({ ...part, upTo: last ?? undefined })),
  }
}

/** The statements that make a range of the group what it should be, and keep what is wrong with users who belong and cannot be in it. */
function writePart(
  job: GroupJob,
  { condition, constants }: Compiled,
  { unfit, ...range }: Part,
  fit: number,
): SQL[] {
  const { workspace } = job
  const { after, upTo } = range
  const belonging = (whose: SQL) => sql`
    (WITH ${given(workspace, constants)} SELECT u.user_id AS value FROM users AS u
     WHERE u.workspace_id = ${workspace} AND u.user_id > ${after} ${upTo === undefined ? sql`` : sql`AND u.user_id <= ${upTo}`} AND ${whose} AND ${sql.raw(condition)})`
  const guard = unmoved(jobs, job)
  const written = [
    seeMembers(job, belonging(fits(fit)), guard),
    tally(job, 'touched'),
    removeUnseen(job, range, guard),
    tally(job, 'removed'),
  ]
  if (unfit === 0) return written
  return [
    sql`
    INSERT INTO job_problems (job_key, line, problem, value)
    SELECT j.key, j.touched + j.bad_rows + u.nth, ${unfitness(fit)}, u.user_id
    FROM jobs AS j, (SELECT value AS user_id, row_number() OVER (ORDER BY value) AS nth FROM ${belonging(sql`true`)}) AS u
    WHERE j.key = ${job.key} AND j.step = ${job.step} AND NOT ${fits(fit)}
    ORDER BY u.nth LIMIT coalesce((SELECT max(0, ${problemsMax} - bad_rows) FROM jobs WHERE key = ${job.key}), 0)`,
    ...written,
    sql`
    UPDATE jobs SET bad_rows = bad_rows + (SELECT count(*) FROM ${belonging(sql`NOT ${fits(fit)}`)})
    WHERE key = ${job.key} AND step = ${job.step}`,
  ]
}
