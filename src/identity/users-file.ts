import { sql, type SQL } from 'drizzle-orm'
import { jsonLengthMax, jsonLists } from '../db/json-lists.ts'
import { jobs } from '../db/schema.ts'
import type { Resources } from '../resources.ts'
import { applySlice, commitJob, deleteFile, type Content } from '../jobs/apply.ts'
import { carryOn } from '../jobs/carry-on.ts'
import { guardOf } from '../jobs/checkpoint.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { actorOf, type UsersFileJob } from '../jobs/job.ts'
import { recordFileProblem } from '../jobs/job-problems.ts'
import { tally } from '../jobs/jobs.ts'
import { hasEnded, hasGoodRow, isText, outcomeOf } from '../jobs/outcome.ts'
import { claimJob, startNext } from '../jobs/turn.ts'
import { excerptOf } from '../jobs/problem.ts'
import type { RefusedRow } from '../jobs/slice.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { columnsOfText } from './attributes.ts'
import { sharedNames } from './definitions.ts'
import { checkProfiles, findRefused, isOverLimit } from './limits.ts'
import { enqueueMarked, isContinuous, markChanged } from './marks.ts'
import { enqueueOpened, openRunOfContinuous } from './open-run.ts'
import { findUsersJob } from './users-jobs.ts'
import { addedAreCounted, changeOfRows, countAdded, mayExceed } from './users-limits.ts'
import { cellsOf, readUsers, type UserRow } from './users-slice.ts'
import { isAfterDeletion, keepNewest } from './write-reports.ts'

/**
 * Carries the job of a file of users on, slice by slice. Readers see each batch at once: a job that
 * fails leaves what it has written.
 */
export function runUsersJob(res: Resources, workspace: number, key: number): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'import', workspace, job: key },
    find: () => findUsersJob(db, workspace, key),
    hasEnded: ({ state }) => hasEnded(state),
    step: (job, invocation) => step(res, job, invocation),
    afterwards: async (job, found) => {
      await deleteFile(res, job)
      await startNext(res, workspace, found)
    },
  })
}

/** Takes the job one state or one slice further. False: it must wait, or someone else moved it. */
async function step(res: Resources, job: UsersFileJob, invocation: Invocation): Promise<boolean> {
  if (job.state === 'waiting') return claimJob(res, job)
  if (job.state === 'undoing') return end(res, job, 'failed')
  if (job.state !== 'applying') return false
  if (!isText(job)) return end(res, job, 'failed')
  const hasNoHeader = job.offset > 0 && job.columns === null
  return hasNoHeader || job.offset === job.fileSize
    ? end(res, job, hasGoodRow(job) ? outcomeOf(job) : 'failed')
    : applySlice(res, job, await contentOf(res, job), invocation)
}

async function end(
  res: Resources,
  job: UsersFileJob,
  state: 'successful' | 'partial' | 'failed',
): Promise<boolean> {
  const now = res.now()
  const failure = state === 'failed' ? failureOf(job) : null
  const event = { ...eventOf(job, failure), actor: actorOf(job) }
  const events = announce(res, job.workspace, event, guardOf(jobs, job))
  const problems = failure === null ? [] : recordFileProblem(job, failure)
  const runs = isLong(job) && job.attributesChanged > 0 ? await openFollowingRuns(res, job) : []
  const { moved, results } = await commitJob(res, job, [...problems, ...events, ...runs], {
    state,
    failure,
    endedAt: now,
  })
  await enqueueAnnounced(res, job.workspace, results)
  await enqueueOpened(res, job.workspace, results)
  return moved
}

/** Whether groups follow a file by a run at its end, which costs less than marks of many slices. */
const isLong = ({ fileSize, sliceBytes }: UsersFileJob): boolean => fileSize > sliceBytes

/** The statements that open a run of each continuous definition, by which its groups follow a file. */
async function openFollowingRuns(res: Resources, job: UsersFileJob): Promise<SQL[]> {
  const { workspace } = job
  const found = await res.databaseOf(workspace).all<{ id: string }>(sql`
    SELECT d.id FROM group_definitions AS d INDEXED BY group_definitions_continuous
    WHERE ${isContinuous(workspace)}`)
  const opening = { now: res.now, actor: actorOf(job) }
  return found.map(({ id }) => openRunOfContinuous(opening, workspace, id, guardOf(jobs, job)))
}

const eventOf = (job: UsersFileJob, failure: ReturnType<typeof failureOf> | null): Event =>
  failure === null
    ? {
        type: 'users.imported',
        data: {
          job_id: job.id,
          users_created: job.usersCreated,
          attributes_changed: job.attributesChanged,
          failed: job.badRows,
        },
      }
    : { type: 'job.failed', data: { job_id: job.id, group_id: null, reason: failure } }

function failureOf(job: UsersFileJob) {
  const { failure, columns } = job
  if (failure === 'gave-up') return failure
  if (!isText(job)) return 'not-text'
  return columns === null ? 'header' : 'no-good-row'
}

async function contentOf(
  res: Resources,
  job: UsersFileJob,
): Promise<Content<UserRow, UsersFileJob>> {
  const { workspace } = job
  const { limits } = res
  const db = res.databaseOf(workspace)
  let names = job.columns
  const shared = names === null ? await sharedNames(db, workspace) : new Set<string>()
  const checked = await mayExceed(db, job, limits)
  return {
    *read(bytes, options) {
      const slice = yield* readUsers(bytes, options, { names: job.columns ?? undefined, shared })
      names = slice.names ?? null
      return slice
    },
    write: (rows, current) => [
      ...jsonLists(rows.flatMap((row) => rowJson(row, names ?? [], current))).flatMap((list) =>
        mergeRows(list, names ?? [], current),
      ),
      ...(isLong(job) ? [] : markChanged(workspace, changedBy(rows, job), res.now())),
      countAdded(current, limits),
      ...(checked
        ? [
            checkProfiles(
              workspace,
              rows.map(({ id }) => id),
              limits,
            ),
          ]
        : []),
    ],
    written: (results) => enqueueMarked(res, workspace, results),
    bytesOf: ({ text }) => text.length,
    columns: () => ({ header: names, ...addedAreCounted }),
    refuse: async (error, rows) => {
      if (!isOverLimit(error)) throw error
      const changes = [...Map.groupBy(rows, ({ id }) => id)].map(changeOfRows(names ?? [], job))
      const over = await findRefused(db, workspace, changes, limits)
      // Nothing exceeds a limit any more: it comes again.
      if (over.size === 0) throw error
      const refused = rows.filter(({ id }) => over.has(id))
      return new Map(
        refused.map((row): [UserRow, RefusedRow] => [row, [row.line, 'limit', excerptOf(row.id)]]),
      )
    },
  }
}

/** A query of the users of rows, and of the time since when what is written of them is true. */
const changedBy = (rows: UserRow[], { createdAt }: UsersFileJob): SQL => {
  const users = JSON.stringify([...new Set(rows.map(({ id }) => id))])
  return sql`SELECT value AS user_id, ${createdAt} AS at FROM json_each(${users})`
}

/** A row as JSON, or one row for each cell where it is too long for a statement. */
function rowJson(row: UserRow, names: string[], { format }: UsersFileJob): string[] {
  const { id } = row
  const columns = cellsOf(row, names, format?.separator ?? ',').map(cellJson)
  const whole = JSON.stringify([id, ...columns])
  if (whole.length <= jsonLengthMax) return [whole]
  return columns.flatMap((cell, i) =>
    cell === null ? [] : [JSON.stringify([id, ...Array<null>(i).fill(null), cell])],
  )
}

const plainText = /^(?! )[ -~]+(?<! )$/

/** A cell as `mergeRows` takes it: its text, or all its columns where these say more. */
function cellJson(
  text: string | null,
): string | null | [value: string, sent: string | null, folded: string | null] {
  if (text === null || plainText.test(text)) return text
  const { value, sent, folded } = columnsOfText(text)
  return sent === null && folded === null ? value : [value, sent, folded]
}

/** Merges rows as of the time of the upload; empty cells change nothing. */
function mergeRows(rows: string, names: string[], job: UsersFileJob): SQL[] {
  const { workspace, createdAt } = job
  const guard = guardOf(jobs, job)
  const isAccepted = (row: SQL) => isAfterDeletion(workspace, sql`${row} ->> 0`, sql`${createdAt}`)
  return [
    sql`
    INSERT INTO users (workspace_id, user_id, created_at)
    SELECT ${workspace}, value ->> 0, ${createdAt}
    FROM json_each(${rows}) WHERE ${isAccepted(sql`value`)} AND ${guard}
    ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    tally(job, 'added'),
    sql`
    INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at, sent, folded)
    SELECT ${workspace}, r.value ->> 0, ${JSON.stringify(names)} ->> (c.key - 1),
      iif(c.type = 'array', c.value ->> 0, c.value), 'string', ${createdAt},
      iif(c.type = 'array', c.value ->> 1, NULL), iif(c.type = 'array', c.value ->> 2, NULL)
    FROM json_each(${rows}) AS r, json_each(r.value) AS c
    WHERE c.key > 0 AND c.value IS NOT NULL AND ${isAccepted(sql`r.value`)} AND ${guard}
    ${keepNewest}`,
    tally(job, 'touched'),
  ]
}
