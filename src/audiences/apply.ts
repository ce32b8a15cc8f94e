import { eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { jobs, syncRules } from '../db/schema.ts'
import { erasedPeople } from '../experience/erased-people.ts'
import { participantsFile } from '../experience/participants-file.ts'
import { revisionBefore } from '../experience/revision-before.ts'
import type { Source, SourceOf } from '../experience/source.ts'
import { parseJson } from '../json.ts'
import { removeUnseen, upsertMembers, type Range } from '../membership/members.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { commitJob } from '../jobs/apply.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { scannedTo, type AudienceJob } from '../jobs/job.ts'
import { problemsMax } from '../jobs/job-problems.ts'
import { tally } from '../jobs/jobs.ts'
import type { ResolvedRule, Compiled } from './compile.ts'
import { costsOf, sumOf, type LeafCost } from './cost.ts'
import { holdsFor } from './explain.ts'
import { isParticipantId, participantIdProblem } from './participant-id.ts'
import { firstMissing, referencesOf } from './references.ts'
import { Pace, usersMost } from './pace.ts'
import { parameters } from './parameters.ts'
import { compileQuery } from './query.ts'
import { areListed, listsOf, listsTable, selectRange } from './range.ts'
import type { Rule } from './rule.ts'
import { groupIds, namesOf, selectDefinitions, selectGroups } from './resolve.ts'

const usersPerStepMax = 20_000

/** Users counted for the progress of a sync; of more, it is shown as if they were so many. */
const countedMax = 500_000

const countUsers = (workspace: number): SQL => sql`(
  SELECT max(1, count(*))
  FROM (SELECT 1 FROM users WHERE workspace_id = ${workspace} LIMIT ${countedMax}))`

/**
 * Adds the next users who belong to a sync's group and removes the others; fails the job if its
 * rule names something deleted. False: someone else moved the job.
 */
export async function applyAudience(
  res: Resources,
  job: AudienceJob,
  invocation: Invocation,
): Promise<boolean> {
  const db = res.databaseOf(job.workspace)
  const { limits } = res
  const resolved = await readRule(db, job)
  if (resolved === undefined) return false
  const costs = costsOf(resolved.rule, limits)
  const most = Math.max(usersMost(sumOf(costs)), 1)
  const size = Math.min(invocation.itemsOf(job), usersPerStepMax, most)
  const part = await readPart(db, job, resolved, { size, costs, limits })
  const references = referencesOf(resolved.rule, resolved.names)
  const compiled = references.every(({ exists }) => exists)
    ? await compilePart(db, job, resolved, { part, costs, limits })
    : undefined
  const statements =
    compiled === undefined ? [] : writePart(job, compiled, part, limits.participantMax)
  const lastUser = part.upTo
  // Users may have become more than were counted, which only the last step may reach.
  const scanned =
    lastUser === undefined ? job.users : Math.min(job.scanned + part.scanned, job.users - 1)
  const to = {
    ...scannedTo({ lastUser: lastUser ?? '', scanned }),
    rows: sql`touched + bad_rows`,
    batchIds: size,
  }
  const failing = failIfMissing(job, firstMissing(job.workspace, references), res.now())
  const { moved, ms, results } = await commitJob(res, job, [...failing, ...statements], to)
  await invocation.took(ms, size)
  return moved || (results[failing.length - 1]?.changes ?? 0) > 0
}

/** The users of an audience, a range at a time. */
const audienceSource = (job: AudienceJob): Source => ({
  starts: { fileSize: countUsers(job.workspace) },
  isAtEnd: job.scanned === job.users,
  next: (res, invocation) => applyAudience(res, job, invocation),
  // No sweep: each step removes who does not belong.
  end: () => 'live',
  events: (data) => [{ type: 'audience.synced', data: { ...data, audience_id: job.audience } }],
  cleanUp: async (res) => {
    const db = res.databaseOf(job.workspace)
    await db.delete(syncRules).where(eq(syncRules.job, job.key))
  },
})

/** The source of a job's participants. */
export const sourceOf: SourceOf = (job) => {
  switch (job.source) {
    case 'audience':
      return audienceSource(job)
    case 'erasure':
      return erasedPeople(job)
    case 'participants-file':
      return participantsFile(job)
    case 'revision-before':
      return revisionBefore(job)
  }
}

/** Statements that fail a job if a reference is missing; those after them find the job moved. */
const failIfMissing = (job: AudienceJob, missing: SQL, now: number): SQL[] => [
  sql`
  INSERT INTO job_problems (job_key, line, problem, value)
  SELECT ${job.key}, 0, 'rule', missing FROM (SELECT ${missing} AS missing)
  WHERE missing IS NOT NULL AND ${guardOf(jobs, job)}`,
  sql`
  UPDATE jobs SET state = 'undoing', failure = 'rule', cursor = '', applied = 0, step = step + 1,
    updated_at = ${now}
  WHERE key = ${job.key} AND step = ${job.step} AND ${missing} IS NOT NULL`,
]

/** Users of one step. */
interface Part extends Range {
  scanned: number
  /** How many of them have an id that no participant can have. */
  refused: number
  /** The only user, who takes statements of their own: for long lists, or a dear rule. */
  heavy: string | undefined
}

/** The job's rule; undefined if the job has ended or its group is erased. */
async function readRule(
  db: Db,
  { key, workspace }: AudienceJob,
): Promise<ResolvedRule | undefined> {
  const [rules, definitions, groups] = await together(db, [
    sql<{ rule: string }>`SELECT rule FROM sync_rules WHERE job_key = ${key}`,
    selectDefinitions(workspace),
    selectGroups(
      workspace,
      sql`SELECT named.atom FROM sync_rules AS s, json_tree(s.rule) AS named
      WHERE s.job_key = ${key} AND named.key = 'group'`,
    ),
  ])
  const [saved] = rules.rows
  if (saved === undefined) return undefined
  const rule = parseJson(saved.rule) as Rule // only rules are written
  return { rule, names: namesOf(definitions.rows, groupIds(groups.rows)) }
}

async function readPart(
  db: Db,
  { workspace, lastUser: after }: AudienceJob,
  resolved: ResolvedRule,
  { size, costs, limits }: { size: number; costs: LeafCost[]; limits: Limits },
): Promise<Part> {
  const lists = listsOf(resolved, costs)
  const most = usersMost(sumOf(costs))
  // Without a last user, the part goes to the end.
  const select = (weighed: boolean) => sql<Scanned>`
    WITH ${listsTable(workspace, lists)}
    SELECT iif(EXISTS (SELECT 1 FROM users AS next WHERE next.workspace_id = ${workspace}
      AND next.user_id > last), last, NULL) AS last, scanned, refused, heavy, ${areListed} AS listed
    FROM (SELECT max(u.user_id) AS last, count(*) AS scanned,
        count(*) FILTER (WHERE NOT ${isParticipantId(limits.participantMax)}) AS refused,
        max(iif(u.weight > ${most}, u.user_id, NULL)) AS heavy
      FROM (${selectRange(workspace, lists, { after, size }, weighed)}) AS u)`
  const [plain, weighed] = await together(db, [select(false), select(true)])
  const [part] = plain.rows[0]?.listed === 1 ? weighed.rows : plain.rows
  if (part === undefined) throw new Error('a range gave no row')
  const { last, scanned, refused, heavy } = part
  return { after, upTo: last ?? undefined, scanned, refused, heavy: heavy ?? undefined }
}

interface Scanned {
  last: string | null
  scanned: number
  refused: number
  heavy: string | null
  /** Whether users are weighed. */
  listed: number
}

/** The rule for a part; of a user who takes statements of their own, what has come of it. */
async function compilePart(
  db: Db,
  { workspace }: AudienceJob,
  resolved: ResolvedRule,
  { part, costs, limits }: { part: Part; costs: LeafCost[]; limits: Limits },
): Promise<Compiled> {
  if (part.heavy === undefined) return compileQuery(resolved)
  const pace = new Pace(sumOf(costs), limits.questionSeconds)
  const holds = await holdsFor(db, workspace, resolved, { user: part.heavy, pace, costs })
  return { condition: holds ? '1' : '0', constants: [] }
}

/** Statements that query and write at once, so that no change of a user comes between. */
function writePart(
  job: AudienceJob,
  compiled: Compiled,
  { refused, after, upTo }: Part,
  participantMax: number,
): SQL[] {
  const guard = guardOf(jobs, job)
  const range = { after, upTo }
  const belonging = (which: SQL) => selectBelonging(job.workspace, compiled, range, which)
  const isValid = isParticipantId(participantMax)
  const written = [
    upsertMembers(job, belonging(isValid), guard),
    tally(job, 'touched'),
    removeUnseen(job, range, guard),
    tally(job, 'removed'),
  ]
  if (refused === 0) return written
  return [
    sql`
    INSERT INTO job_problems (job_key, line, problem, value)
    SELECT j.key, j.touched + j.bad_rows + u.nth, ${participantIdProblem(participantMax)}, u.user_id
    FROM jobs AS j, (SELECT value AS user_id, row_number() OVER (ORDER BY value) AS nth
      FROM ${belonging(sql`true`)}) AS u
    WHERE j.key = ${job.key} AND j.step = ${job.step} AND NOT ${isValid}
    ORDER BY u.nth
    LIMIT coalesce((SELECT max(0, ${problemsMax} - bad_rows) FROM jobs WHERE key = ${job.key}), 0)`,
    ...written,
    sql`
    UPDATE jobs SET bad_rows = bad_rows + (SELECT count(*) FROM ${belonging(sql`NOT ${isValid}`)})
    WHERE key = ${job.key} AND step = ${job.step}`,
  ]
}

/** A table of `value`: the users of a range who belong and for whom `which` holds. */
const selectBelonging = (
  workspace: number,
  { condition, constants }: Compiled,
  { after, upTo }: Range,
  which: SQL,
): SQL => sql`
  (WITH ${parameters(workspace, constants)}
  SELECT u.user_id AS value FROM users AS u
  WHERE u.workspace_id = ${workspace} AND u.user_id > ${after}
    ${upTo === undefined ? sql`` : sql`AND u.user_id <= ${upTo}`}
    AND ${which} AND ${sql.raw(condition)})`
