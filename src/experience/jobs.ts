import { and, asc, count, desc, eq, getTableColumns, isNull, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { experienceGroups, jobProblems, jobs } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../resources.ts'
import { getGroup, type Paging } from './groups.ts'
import type { Problem } from './participant.ts'

export type Job = typeof jobs.$inferSelect
export type JobType = Job['type']

// On D1, columns of one name fall together in a join: the group's are named apart.
const withGroup = {
  ...getTableColumns(jobs),
  groupId: sql<string>`${experienceGroups.id}`.as('of_id'),
  groupName: sql<string>`${experienceGroups.name}`.as('of_name'),
  groupType: sql<string>`${experienceGroups.type}`.as('of_type'),
  groupCount: sql<number>`${experienceGroups.participantCount}`.as('of_count'),
  groupRemoved: sql<number>`${experienceGroups.removedSincePrune}`.as('of_removed'),
}

const ofLiveGroup = and(eq(experienceGroups.key, jobs.group), isNull(experienceGroups.deletedAt))

const select = (db: Db) => db.select(withGroup).from(jobs).innerJoin(experienceGroups, ofLiveGroup)

/** A job and, beside it, its group as readers see it now. The jobs of a deleted group are gone with it. */
export type GroupJob = Awaited<ReturnType<typeof select>>[number]

/** Throws `not-found` for an unknown job, a deleted group's and another workspace's alike. */
export async function getJob(db: Db, workspace: number, id: string): Promise<GroupJob> {
  const [job] = await select(db).where(and(eq(jobs.workspace, workspace), eq(jobs.id, id)))
  if (job === undefined) throw new Failure({ reason: 'not-found', what: 'job', id })
  return job
}

/** The job as it stands now, for whoever carries it on. */
export async function findJob(db: Db, workspace: number, key: number): Promise<GroupJob | undefined> {
  const [job] = await select(db).where(and(eq(jobs.workspace, workspace), eq(jobs.key, key)))
  return job
}

const sortColumns = { createdAt: jobs.createdAt, groupName: experienceGroups.name }

export type JobField = keyof typeof sortColumns

/** One page of the workspace's jobs, or of one group's, and how many there are in all. Throws `not-found` for an unknown group. */
export async function listJobs(
  db: Db,
  workspace: number,
  groupId: string | undefined,
  { page, size, sort }: Paging<JobField>,
): Promise<{ items: GroupJob[]; total: number }> {
  const group = groupId === undefined ? undefined : eq(jobs.group, (await getGroup(db, workspace, groupId)).key)
  const asked = and(eq(jobs.workspace, workspace), group)
  const order = sort.descending ? desc : asc
  const [items, [counted]] = await Promise.all([
    select(db)
      .where(asked)
      .orderBy(order(sortColumns[sort.field]), order(jobs.key))
      .limit(size)
      .offset(page * size),
    db.select({ total: count() }).from(jobs).innerJoin(experienceGroups, ofLiveGroup).where(asked),
  ])
  return { items, total: counted?.total ?? 0 }
}

/** Problems kept of one job; beyond them only their number is. */
export const problemsMax = 10_000

export type ProblemField = 'line' | 'problem'

/** One page of a job's kept problems. `problem` sorts as its sentences do (see groups-v3/errors.ts). Throws `not-found`. */
export async function listProblems(
  db: Db,
  workspace: number,
  id: string,
  { page, size, sort }: Paging<ProblemField>,
): Promise<{ items: { line: number; problem: Problem }[]; total: number }> {
  const { key, badRows } = await getJob(db, workspace, id)
  const order = sort.descending ? desc : asc
  const items = await db
    .select({ line: jobProblems.line, problem: jobProblems.problem })
    .from(jobProblems)
    .where(eq(jobProblems.job, key))
    .orderBy(order(jobProblems[sort.field]), asc(jobProblems.line))
    .limit(size)
    .offset(page * size)
  return { items, total: Math.min(badRows, problemsMax) }
}

export interface JobDraft {
  type: JobType
  fileName: string
  fileKey: string
  fileSize: number
  createdBy: string
}

const unended = (group: SQL) => sql`(SELECT count(*) FROM jobs WHERE group_key = ${group} AND ended_at IS NULL)`

/** Throws `not-found` or `jobs-waiting` where a job could not be opened on the group now. */
export async function checkRoom(db: Db, workspace: number, groupId: string, { jobsWaitingMax }: Limits): Promise<void> {
  const { key } = await getGroup(db, workspace, groupId)
  const row = await db.get<{ waiting: number }>(sql`SELECT ${unended(sql`${key}`)} AS waiting`)
  if (row.waiting >= jobsWaitingMax) throw new Failure({ reason: 'jobs-waiting', max: jobsWaitingMax })
}

/** Opens the next job of a group: its revision is the order in which it was accepted. Throws as `checkRoom` does. */
export async function openJob(db: Db, workspace: number, groupId: string, draft: JobDraft, limits: Limits, now: number): Promise<Job> {
  const id = crypto.randomUUID()
  // One statement, so that neither the group nor the room in its queue can go between looking and inserting.
  const [job] = await db
    .insert(jobs)
    .select(
      sql`SELECT NULL, ${id}, workspace_id, key, 1 + coalesce((SELECT max(revision) FROM jobs WHERE group_key = g.key), 0),
        ${draft.type}, 'waiting', NULL, ${draft.fileName}, ${draft.fileKey}, ${draft.fileSize}, ${limits.sliceBytes},
        ${draft.createdBy}, ${now}, ${now}, NULL, 0, 0, 0, 'start', 0, 10000, 0, '', 0, 0, 0, 0, 0
      FROM experience_groups AS g
      WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL
        AND ${unended(sql`g.key`)} < ${limits.jobsWaitingMax}`,
    )
    .returning()
  if (job !== undefined) return job
  await checkRoom(db, workspace, groupId, limits)
  throw new Failure({ reason: 'jobs-waiting', max: limits.jobsWaitingMax })
}

/** Whether the job is where it was read: the condition of every statement that is made for it. */
export function unmoved({ key, step }: Pick<Job, 'key' | 'step'>): SQL {
  return sql`EXISTS (SELECT 1 FROM jobs WHERE key = ${key} AND step = ${step})`
}

/** The last statement of a job's batch: moves it on, if nobody has moved it since it was read. */
export function advance(db: Db, job: Pick<Job, 'key' | 'step'>, now: number, to: { [Column in keyof Job]?: Job[Column] | SQL }) {
  return db
    .update(jobs)
    .set({ ...to, step: job.step + 1, updatedAt: now })
    .where(and(eq(jobs.key, job.key), eq(jobs.step, job.step)))
}

/** Adds the rows that the statement before it changed to one of the job's counts. */
export function tally({ key, step }: Pick<Job, 'key' | 'step'>, count: 'touched' | 'removed'): SQL {
  return sql`UPDATE jobs SET ${sql.raw(count)} = ${sql.raw(count)} + changes() WHERE key = ${key} AND step = ${step}`
}

/** Keeps the problems of a slice. */
export function keepProblems(job: Pick<Job, 'key' | 'step'>, problems: [line: number, problem: Problem][]): SQL {
  return sql`
    INSERT INTO job_problems (job_key, line, problem)
    SELECT ${job.key}, value ->> 0, value ->> 1 FROM json_each(${JSON.stringify(problems)}) WHERE ${unmoved(job)}`
}

/** Whether an earlier job of the same group has not ended. */
export const earlierUnended = sql`EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.group_key = jobs.group_key
  AND earlier.revision < jobs.revision AND earlier.ended_at IS NULL)`

/** Starts a waiting job unless an earlier one of its group has not ended. Tells whether it did. */
export async function claimJob(db: Db, job: Job, now: number): Promise<boolean> {
  const { meta } = await db
    .update(jobs)
    .set({ state: 'applying', step: job.step + 1, updatedAt: now })
    .where(and(eq(jobs.key, job.key), eq(jobs.step, job.step), sql`NOT ${earlierUnended}`))
  return meta.changes === 1
}

/** Marks a job as failed that could not be finished, so that what it has written is undone. Tells whether there was such a job. */
export async function giveUp(db: Db, workspace: number, key: number, now: number): Promise<boolean> {
  const { meta } = await db
    .update(jobs)
    .set({ state: 'undoing', failure: 'gave-up', cursor: '', applied: 0, step: sql`step + 1`, updatedAt: now })
    .where(and(eq(jobs.workspace, workspace), eq(jobs.key, key), isNull(jobs.endedAt), sql`state <> 'undoing'`))
  return meta.changes === 1
}

/** The job of a group that is next to run, if one waits. */
export async function findNextJob(db: Db, workspace: number, group: number): Promise<number | undefined> {
  const [next] = await db
    .select({ key: jobs.key })
    .from(jobs)
    .where(and(eq(jobs.workspace, workspace), eq(jobs.group, group), isNull(jobs.endedAt)))
    .orderBy(asc(jobs.revision))
    .limit(1)
  return next?.key
}
