import { and, asc, count, desc, eq, getTableColumns, isNull, sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import { nameOfAudience } from '../db/uses.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { readGroupJob } from '../jobs/job.ts'
import {
  checkTakesFile,
  insertNextJob,
  openNextJob,
  takesFile,
  tooManyBytes,
  type NewJob,
  type OpenedJob,
  type Paging,
  type StoredFile,
} from '../jobs/jobs.ts'
import { checkMayEnd, endUpload, mayEnd } from '../jobs/claim-upload.ts'
import type { UploadEnd } from '../jobs/resumable.ts'
import { heldBefore } from '../jobs/turn.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { checkExpected, isAsExpected, type Expected } from './expected.ts'
import { getGroup } from './groups.ts'

export type JobType = GroupJob['type']

// D1 merges columns of one name in a join, so the group's have other names.
const groupColumns = {
  groupId: sql<string>`${experienceGroups.id}`.as('of_id'),
  groupName: sql<string>`${experienceGroups.name}`.as('of_name'),
  groupType: sql<string>`${experienceGroups.type}`.as('of_type'),
  groupCount: sql<number>`${experienceGroups.participantCount}`.as('of_count'),
  groupRemoved: sql<number>`${experienceGroups.removedSincePrune}`.as('of_removed'),
  groupRevision: sql<number>`${experienceGroups.revision}`.as('of_revision'),
  groupMaxRemovePercent: sql<number | null>`${experienceGroups.maxRemovePercent}`.as('of_percent'),
  waitsFor: sql<string | null>`iif(${jobs.state} = 'waiting', ${heldBefore()}, NULL)`.as(
    'waits_for',
  ),
}

const isLiveGroup = and(eq(experienceGroups.key, jobs.group), isNull(experienceGroups.deletedAt))

const type = sql<'add' | 'remove' | 'replace' | 'revert'>`${jobs.type}`.as('type')

const selectJobs = (db: Db) =>
  db
    .select({ ...getTableColumns(jobs), type, ...groupColumns })
    .from(jobs)
    .innerJoin(experienceGroups, isLiveGroup)

type Row = Awaited<ReturnType<typeof selectJobs>>[number]

/** A job and its group as readers see it now; a deleted group has no jobs. */
export type GroupJob = ReturnType<typeof readGroupJob> & Pick<Row, keyof typeof groupColumns>

function readRow(row: Row): GroupJob {
  const { groupId, groupName, groupType, groupCount, groupRemoved, groupRevision } = row
  const { groupMaxRemovePercent, waitsFor } = row
  const ofGroup = { groupId, groupName, groupType, groupCount, groupRemoved, groupRevision }
  return { ...readGroupJob(row), ...ofGroup, groupMaxRemovePercent, waitsFor }
}

/** Throws `not-found`, also for a deleted group's or another workspace's. */
export async function getJob(db: Db, workspace: number, id: string): Promise<GroupJob> {
  const [row] = await selectJobs(db).where(and(eq(jobs.workspace, workspace), eq(jobs.id, id)))
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'job', id })
  return readRow(row)
}

/** A job that a request has opened; enqueued again, as that may have failed. Throws `not-found`. */
export async function getOpened(res: Resources, workspace: number, id: string): Promise<GroupJob> {
  const job = await getJob(res.databaseOf(workspace), workspace, id)
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return job
}

export async function findJob(
  db: Db,
  workspace: number,
  key: number,
): Promise<GroupJob | undefined> {
  const [row] = await selectJobs(db).where(and(eq(jobs.workspace, workspace), eq(jobs.key, key)))
  return row && readRow(row)
}

const sortColumns = { createdAt: jobs.createdAt, groupName: experienceGroups.name }

export type JobField = keyof typeof sortColumns

/** One page of the jobs of a workspace or a group, and how many there are. Throws `not-found`. */
export async function listJobs(
  db: Db,
  workspace: number,
  groupId: string | undefined,
  { page, size, sort }: Paging<JobField>,
): Promise<{ items: GroupJob[]; total: number }> {
  const isGroup =
    groupId === undefined ? undefined : eq(jobs.group, (await getGroup(db, workspace, groupId)).key)
  const filter = and(eq(jobs.workspace, workspace), isGroup)
  const order = sort.descending ? desc : asc
  const [rows, [counted]] = await Promise.all([
    selectJobs(db)
      .where(filter)
      .orderBy(order(sortColumns[sort.field]), order(jobs.key))
      .limit(size)
      .offset(page * size),
    db.select({ total: count() }).from(jobs).innerJoin(experienceGroups, isLiveGroup).where(filter),
  ])
  return { items: rows.map(readRow), total: counted?.total ?? 0 }
}

/** How an event names what a job does. */
export const typeNames = {
  add: 'ADD',
  remove: 'REMOVE',
  replace: 'REPLACE',
  revert: 'REVERT',
} as const

/**
 * Gives the bytes that a file may have. Throws `not-found`, `filled-by-audience`, `jobs-waiting` or
 * `limit` where the group takes no file now.
 */
export async function checkAcceptsFile(
  db: Db,
  workspace: number,
  groupId: string,
  limits: Limits & { counted?: number },
): Promise<number> {
  const { key, audience } = await getGroup(db, workspace, groupId)
  if (audience !== null) {
    const name = await nameOfAudience(db, workspace, audience)
    throw new Failure({ reason: 'filled-by-audience', audience, name })
  }
  return checkTakesFile(db, workspace, key, limits)
}

/**
 * Opens the next job of a group, and ends the upload that brought its file. Throws as
 * `checkAcceptsFile`, `checkExpected` and `checkMayEnd` do, and `UnknownOutcome`.
 */
export async function openJob(
  res: Resources,
  workspace: number,
  groupId: string,
  draft: StoredFile &
    Pick<NewJob, 'mode' | 'maxRemovePercent' | 'createdBy'> & {
      type: JobType
      expected?: Expected | undefined
      end?: UploadEnd | undefined
    },
): Promise<OpenedJob> {
  const db = res.databaseOf(workspace)
  const { end } = draft
  const limits = { ...res.limits, counted: end?.length ?? 0 }
  const id = end?.id ?? crypto.randomUUID()
  const now = res.now()
  // One statement, so that the group cannot be deleted nor its queue fill up meanwhile.
  const from = sql`FROM experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.id = ${groupId} AND g.deleted_at IS NULL
      AND g.audience_id IS NULL AND ${takesFile(workspace, sql`g.key`, draft.fileSize, limits)}
      AND ${isAsExpected(draft.expected)} AND ${mayEnd(workspace, end)}`
  const place = { workspace: sql`g.workspace_id`, queue: sql`g.key`, from }
  const { sliceBytes } = limits
  const insert = insertNextJob(place, { ...draft, actor: res.actor }, { id, sliceBytes, now })
  const opened = announce(res, workspace, {
    type: 'job.created',
    data: { job_id: id, group_id: groupId, type: typeNames[draft.type] },
  })
  const follows = [...opened, ...endUpload(workspace, end, now)]
  const { key, results } = await openNextJob(db, { workspace, id }, insert, follows)
  await enqueueAnnounced(res, workspace, results)
  const { fileName, fileSha256 } = draft
  if (key !== undefined) return { key, id, fileName, fileSha256 }
  await checkMayEnd(db, workspace, end)
  const left = await checkAcceptsFile(db, workspace, groupId, limits)
  await checkExpected(db, workspace, groupId, draft.expected)
  if (draft.fileSize > left) throw tooManyBytes(limits.waitingBytesMax)
  throw new Failure({ reason: 'jobs-waiting', max: limits.jobsWaitingMax })
}
