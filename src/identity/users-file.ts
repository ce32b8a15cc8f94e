import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { applySlice, commitJob, deleteFile, startNext, type Content } from '../jobs/apply.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import { findIdColumn } from '../jobs/header.ts'
import type { UsersFileJob } from '../jobs/job.ts'
import { claimJob, recordFileProblem, tally } from '../jobs/jobs.ts'
import { hasEnded, hasGoodRow, isText, outcomeOf } from '../jobs/outcome.ts'
import { receiveFile, type UploadPart } from '../jobs/upload.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { columnsOfText } from './attributes.ts'
import { sharedNames } from './definitions.ts'
import { checkAcceptsFile, findUsersJob, openUsersJob } from './users-jobs.ts'
import { isAfterDeletion, keepNewest } from './profiles.ts'
import { readUsers, type UserRow } from './users-slice.ts'

/**
 * Takes a file of users in and opens the job that merges it into what is known of them. Whatever goes wrong on the way, neither file
 * nor job is left. Throws `jobs-waiting`, and what `receiveFile` throws.
 */
export async function receiveUsers(
  res: Resources,
  workspace: number,
  createdBy: string,
  parts: AsyncIterable<UploadPart>,
): Promise<UsersFileJob> {
  const db = res.databaseOf(workspace)
  await checkAcceptsFile(db, workspace, res.limits)
  const job = await receiveFile(res, workspace, parts, {
    idColumn: findIdColumn,
    take: (file) => openUsersJob(db, workspace, { ...file, createdBy }, res.limits, res.now()),
  })
  await enqueue(res, { kind: 'import', workspace, job: job.key })
  return job
}

/**
 * Carries a file of users on, slice by slice, and at its end, on to the workspace's next. Each row is seen
 * as soon as its batch is written; a file that cannot be finished leaves what was written, and may be sent
 * again.
 */
export function runUsersJob(res: Resources, workspace: number, key: number): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'import', workspace, job: key },
    find: () => findUsersJob(db, workspace, key),
    hasEnded: ({ state }) => hasEnded(state),
    step: (job, isOver) => step(res, db, job, isOver),
    afterwards: async (job) => {
      await deleteFile(res, job)
      await startNext(res, db, job, 'import')
    },
  })
}

/** Takes the job one state or one slice further. False: it must wait, or someone else moved it. */
async function step(
  res: Resources,
  db: Db,
  job: UsersFileJob,
  isOver: () => boolean,
): Promise<boolean> {
  if (job.state === 'waiting') return claimJob(db, job, res.now())
  if (job.state === 'undoing') return end(res, db, job, 'failed')
  if (job.state !== 'applying') return false
  if (!isText(job)) return end(res, db, job, 'failed')
  const headless = job.offset > 0 && job.columns === null
  return headless || job.offset === job.fileSize
    ? end(res, db, job, hasGoodRow(job) ? outcomeOf(job) : 'failed')
    : applySlice(res, db, job, await usersOf(db, job), isOver)
}

async function end(
  res: Resources,
  db: Db,
  job: UsersFileJob,
  state: 'successful' | 'partial' | 'failed',
): Promise<boolean> {
  const now = res.now()
  const failure = state === 'failed' ? failureOf(job) : null
  const events =
    failure === null
      ? []
      : announce(
          job.workspace,
          { type: 'job.failed', data: { job_id: job.id, group_id: null, reason: failure } },
          now,
          guardOf(jobs, job),
        )
  const kept = failure === null ? [] : recordFileProblem(job, failure)
  const { moved, results } = await commitJob(res, db, job, [...kept, ...events], {
    state,
    failure,
    endedAt: now,
  })
  await enqueueAnnounced(res, job.workspace, results)
  return moved
}

function failureOf(job: UsersFileJob) {
  const { failure, columns } = job
  if (failure === 'gave-up') return failure
  if (!isText(job)) return 'not-text'
  return columns === null ? 'header' : 'no-good-row'
}

async function usersOf(db: Db, job: UsersFileJob): Promise<Content<UserRow, UsersFileJob>> {
  let names = job.columns
  const shared = names === null ? await sharedNames(db, job.workspace) : new Set<string>()
  return {
    read: (bytes, at) => {
      const slice = readUsers(bytes, at, { names: job.columns ?? undefined, shared })
      names = slice.names ?? null
      return slice
    },
    write: (rows, at) => jsonLists(rows).flatMap((texts) => mergeRows(texts, names ?? [], at)),
    columns: () => ({ header: names }),
  }
}

/** UTF-16 units of one statement's rows, of up to three bytes each: D1 takes strings of up to 2 MB. */
const charactersPerStatement = 400_000

/** The rows as lists of JSON that D1 takes, in their order. */
function jsonLists(rows: UserRow[]): string[] {
  const lists: string[] = []
  let list: string[] = []
  let length = 0
  for (const text of rows.flatMap(rowJson)) {
    if (length + text.length > charactersPerStatement && list.length > 0) {
      lists.push(`[${list.join()}]`)
      list = []
      length = 0
    }
    list.push(text)
    length += text.length
  }
  if (list.length > 0) lists.push(`[${list.join()}]`)
  return lists
}

/** A row as JSON, in several where it is too long for one statement: a cell that is left out says nothing. */
function rowJson([id, ...cells]: UserRow): string[] {
  const kept = cells.map(cellJson)
  const whole = JSON.stringify([id, ...kept])
  if (whole.length <= charactersPerStatement) return [whole]
  return kept.flatMap((cell, i) =>
    cell === null ? [] : [JSON.stringify([id, ...Array<null>(i).fill(null), cell])],
  )
}

const plainText = /^(?! )[ -~]+(?<! )$/

/** A cell as its statement takes it: its text, or the columns of one that has more than `value`. */
function cellJson(
  text: string | null,
): string | null | [value: string, sent: string | null, folded: string | null] {
  if (text === null || plainText.test(text)) return text
  const { value, sent, folded } = columnsOfText(text)
  return sent === null && folded === null ? value : [value, sent, folded]
}

/** Merges rows into what is known of their users, as of the moment at which the file was accepted. An empty cell says nothing. */
function mergeRows(rows: string, names: string[], job: UsersFileJob): SQL[] {
  const { workspace, createdAt } = job
  const guard = guardOf(jobs, job)
  const living = (row: SQL) => isAfterDeletion(workspace, sql`${row} ->> 0`, sql`${createdAt}`)
  return [
    sql`
    INSERT INTO users (workspace_id, user_id, created_at)
    SELECT ${workspace}, value ->> 0, ${createdAt} FROM json_each(${rows}) WHERE ${living(sql`value`)} AND ${guard}
    ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    tally(job, 'added'),
    sql`
    INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at, sent, folded)
    SELECT ${workspace}, r.value ->> 0, ${JSON.stringify(names)} ->> (c.key - 1), iif(c.type = 'array', c.value ->> 0, c.value), 'string', ${createdAt},
      iif(c.type = 'array', c.value ->> 1, NULL), iif(c.type = 'array', c.value ->> 2, NULL)
    FROM json_each(${rows}) AS r, json_each(r.value) AS c WHERE c.key > 0 AND c.value IS NOT NULL AND ${living(sql`r.value`)} AND ${guard}
    ${keepNewest}`,
    tally(job, 'touched'),
  ]
}
