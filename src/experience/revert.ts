import { sql } from 'drizzle-orm'
import type { JobRow } from '../jobs/job.ts'
import { Failure } from '../failure.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { checkTakesFile, insertNextJob, openNextJob, takesFile } from '../jobs/jobs.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { checkExpected, isAsExpected, type Expected } from './expected.ts'
import { getGroup } from './groups.ts'
import { typeNames } from './jobs.ts'

const type = 'revert'

/** Whether an erasure has made the live revision of the group `g`, in SQL. */
const isErasures = sql`EXISTS (SELECT 1 FROM jobs AS l
  WHERE l.group_key = g.key AND l.revision = g.revision AND l.erasure_key IS NOT NULL)`

/**
 * Opens the job that brings back the revision before the live one, and gives its id. Throws `not-found`,
 * `nothing-to-revert`, `jobs-waiting`, `limit`, and as `checkExpected` does.
 */
export async function revertGroup(
  res: Resources,
  workspace: number,
  groupId: string,
  {
    expected,
    ...draft
  }: Pick<JobRow, 'mode' | 'maxRemovePercent' | 'createdBy'> & { expected?: Expected | undefined },
): Promise<string> {
  const db = res.databaseOf(workspace)
  const { limits } = res
  const id = crypto.randomUUID()
  const insert = insertNextJob(
    {
      workspace: sql`g.workspace_id`,
      queue: sql`g.key`,
      from: sql`FROM experience_groups AS g
        WHERE g.workspace_id = ${workspace} AND g.id = ${groupId} AND g.deleted_at IS NULL
          AND g.revision > 0 AND NOT ${isErasures} AND ${takesFile(workspace, sql`g.key`, 0, limits)}
          AND ${isAsExpected(expected)}`,
    },
    {
      ...draft,
      ...{ type, actor: res.actor, fileSize: sql`g.revision` },
      fileName: sql`'revision before ' || g.revision`,
      fileKey: sql`'revisions/' || g.revision`,
    },
    { id, sliceBytes: 0, now: res.now() },
  )
  const opened = announce(res, workspace, {
    type: 'job.created',
    data: { job_id: id, group_id: groupId, type: typeNames[type] },
  })
  const { key, results } = await openNextJob(db, { workspace, id }, insert, opened)
  if (key === undefined) throw await whyNot(res, workspace, groupId, expected)
  await enqueueAnnounced(res, workspace, results)
  await enqueue(res, { kind: 'job', workspace, job: key })
  return id
}

/** Why no job was opened. */
async function whyNot(
  { databaseOf, limits }: Resources,
  workspace: number,
  id: string,
  expected: Expected | undefined,
): Promise<Failure> {
  const db = databaseOf(workspace)
  const { key, revision } = await getGroup(db, workspace, id)
  if (revision === 0) return new Failure({ reason: 'nothing-to-revert', id, why: 'no-revision' })
  const [erasures] = await db.all(sql`
    SELECT 1 FROM experience_groups AS g WHERE g.key = ${key} AND ${isErasures}`)
  if (erasures !== undefined)
    return new Failure({ reason: 'nothing-to-revert', id, why: 'erasure' })
  await checkExpected(db, workspace, id, expected)
  await checkTakesFile(db, workspace, key, limits)
  return new Failure({ reason: 'jobs-waiting', max: limits.jobsWaitingMax })
}
