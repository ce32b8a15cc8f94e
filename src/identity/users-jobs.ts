import { and, desc, eq, lt, sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobs } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { readUsersJob, usersQueue, type UsersFileJob } from '../jobs/job.ts'
import {
  checkTakesFile,
  insertNextJob,
  openNextJob,
  takesFile,
  tooManyBytes,
  type OpenedJob,
  type StoredFile,
} from '../jobs/jobs.ts'
import { checkMayEnd, endUpload, mayEnd } from '../jobs/claim-upload.ts'
import type { UploadEnd } from '../jobs/resumable.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'

const isUsersJob = (workspace: number) =>
  and(eq(jobs.workspace, workspace), eq(jobs.group, usersQueue(workspace)))

/**
 * Gives the bytes that a file may have. Throws `jobs-waiting` or `limit` where the workspace takes
 * no more files of users now.
 */
export const checkAcceptsFile = (
  db: Db,
  workspace: number,
  limits: Limits & { counted?: number },
): Promise<number> => checkTakesFile(db, workspace, usersQueue(workspace), limits)

/** What a client is shown of a job that was just opened: to read it could fail. */
export type OpenedUsersJob = OpenedJob & Pick<UsersFileJob, 'createdBy' | 'createdAt'>

/**
 * Opens the job of a file of users, and ends the upload that brought it. Throws `jobs-waiting`,
 * `UnknownOutcome`, and as `checkMayEnd` does.
 */
export async function openUsersJob(
  res: Resources,
  workspace: number,
  draft: StoredFile & Pick<UsersFileJob, 'createdBy'> & { end?: UploadEnd | undefined },
): Promise<OpenedUsersJob> {
  const db = res.databaseOf(workspace)
  const { end } = draft
  const limits = { ...res.limits, counted: end?.length ?? 0 }
  const { sliceBytes, jobsWaitingMax } = limits
  const queue = sql`${usersQueue(workspace)}`
  const id = end?.id ?? crypto.randomUUID()
  // One statement, so that the queue cannot fill up between count and insert.
  const place = {
    workspace: sql`${workspace}`,
    queue,
    from: sql`WHERE ${takesFile(workspace, queue, draft.fileSize, limits)}
      AND ${mayEnd(workspace, end)}`,
  }
  const now = res.now()
  const insert = insertNextJob(
    place,
    { ...draft, type: 'users', actor: res.actor },
    { id, sliceBytes, now },
  )
  const opened = announce(res, workspace, {
    type: 'job.created',
    data: { job_id: id, group_id: null, type: 'USERS' },
  })
  const follows = [...opened, ...endUpload(workspace, end, now)]
  const { key, results } = await openNextJob(db, { workspace, id }, insert, follows)
  await enqueueAnnounced(res, workspace, results)
  if (key === undefined) {
    await checkMayEnd(db, workspace, end)
    const left = await checkAcceptsFile(db, workspace, limits)
    if (draft.fileSize > left) throw tooManyBytes(limits.waitingBytesMax)
    throw new Failure({ reason: 'jobs-waiting', max: jobsWaitingMax })
  }
  const { fileName, fileSha256, createdBy } = draft
  return { key, id, fileName, fileSha256, createdBy, createdAt: now }
}

export async function findUsersJob(
  db: Db,
  workspace: number,
  key: number,
): Promise<UsersFileJob | undefined> {
  const [row] = await db
    .select()
    .from(jobs)
    .where(and(isUsersJob(workspace), eq(jobs.key, key)))
  return row && readUsersJob(row)
}

/** Throws `not-found`, also for another workspace's. */
export async function getUsersJob(db: Db, workspace: number, id: string): Promise<UsersFileJob> {
  const [row] = await db
    .select()
    .from(jobs)
    .where(and(isUsersJob(workspace), eq(jobs.id, id)))
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'job', id })
  return readUsersJob(row)
}

/** The jobs of files of users, newest first: up to `size` before the revision `before`. */
export async function listUsersJobs(
  db: Db,
  workspace: number,
  before: number,
  size: number,
): Promise<UsersFileJob[]> {
  const rows = await db
    .select()
    .from(jobs)
    .where(and(isUsersJob(workspace), lt(jobs.revision, before)))
    .orderBy(desc(jobs.revision))
    .limit(size)
  return rows.map(readUsersJob)
}
