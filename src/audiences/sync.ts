import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { getGroup } from '../experience/groups.ts'
import { findJob, type GroupJob } from '../experience/jobs.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import { flagOf } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { countUnended, insertNextJob } from '../jobs/jobs.ts'
import { getAudience } from './audiences.ts'
import { withShared } from './references.ts'
import { resolveAudience } from './resolve.ts'

/**
 * Opens a job that fills an audience's group by its current rule; a waiting job gets that rule
 * instead. Throws `not-found`, `not-attached`, `jobs-waiting` or `rule-refused`.
 */
export async function requestSync(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<GroupJob> {
  const job = await beginSync(res, workspace, id, { by, period: undefined })
  // Detached meanwhile.
  if (job === undefined) throw new Failure({ reason: 'not-attached', audience: id })
  return job
}

/** `requestSync` at most once for a period (see `periodOf`); undefined if that had its job. */
export async function beginSync(
  res: Resources,
  workspace: number,
  id: string,
  { by, period }: { by: string; period: string | undefined },
): Promise<GroupJob | undefined> {
  const db = res.databaseOf(workspace)
  const [{ group }, { rule, names }] = await Promise.all([
    getAudience(db, workspace, id),
    resolveAudience(db, workspace, id),
  ])
  if (group === null) throw new Failure({ reason: 'not-attached', audience: id })
  const draft = { audience: id, rule: withShared(rule, names), createdBy: by, period }
  const job = await openSync(res, workspace, group, draft)
  if (job !== undefined)
    await enqueue(res, { kind: 'job', workspace, job: job.key, ...flagOf(period !== undefined) })
  return job
}

/** Users counted for the progress of a sync; of more, it is shown as if they were so many. */
const countedMax = 500_000

/** A sync to open: an audience fills its group by its rule. */
interface SyncDraft {
  audience: string
  rule: object
  createdBy: string
  /** The week or day that has one sync; undefined for one that somebody requested. */
  period: string | undefined
}

/**
 * Opens the sync of a group, or gives the rule to a waiting one; undefined where the period has had
 * its own. Throws `not-found`, `not-attached` or `jobs-waiting`.
 */
async function openSync(
  res: Resources,
  workspace: number,
  groupId: string,
  { audience, rule, createdBy, period }: SyncDraft,
): Promise<GroupJob | undefined> {
  const db = res.databaseOf(workspace)
  const { jobsWaitingMax, sliceBytes } = res.limits
  const users = sql`(
    SELECT max(1, count(*))
    FROM (SELECT 1 FROM users WHERE workspace_id = ${workspace} LIMIT ${countedMax}))`
  const draft = {
    type: 'replace',
    fileName: `audience ${audience}`,
    fileKey: `audiences/${audience}`,
    fileSize: users,
    createdBy,
    audience,
  } as const
  const { attachedGroup, waitingJob, isDue } = conditionsOf(workspace, groupId, {
    audience,
    period,
  })
  // One batch, so that a period is not marked as done without its job, nor gets two jobs.
  const [, , , { rows }] = await together(db, [
    insertNextJob(
      {
        workspace: sql`g.workspace_id`,
        queue: sql`g.key`,
        from: sql`FROM ${attachedGroup} AND ${isDue}
          AND ${countUnended(sql`g.key`)} < ${jobsWaitingMax} AND ${waitingJob} IS NULL`,
      },
      draft,
      { id: crypto.randomUUID(), sliceBytes, now: res.now() },
    ),
    sql`
    INSERT INTO sync_rules (job_key, rule)
    SELECT key, ${stringifyJson(rule)} FROM jobs WHERE key = ${waitingJob}
    ON CONFLICT (job_key) DO UPDATE SET rule = excluded.rule`,
    sql`UPDATE audiences SET refreshed = ${period ?? null}
      WHERE ${period === undefined ? sql`false` : sql`true`} AND workspace_id = ${workspace}
        AND id = ${audience} AND ${waitingJob} IS NOT NULL`,
    sql<{
      job: number | null
      attached: number
      due: number
    }>`SELECT ${waitingJob} AS job, EXISTS (SELECT 1 FROM ${attachedGroup}) AS attached,
      ${isDue} AS due`,
  ])
  const [found] = rows
  if (found?.job != null) return findJob(db, workspace, found.job)
  await getGroup(db, workspace, groupId)
  if (found?.attached === 0) throw new Failure({ reason: 'not-attached', audience })
  if (found?.due === 0) return undefined
  throw new Failure({ reason: 'jobs-waiting', max: jobsWaitingMax })
}

/** The sync's group as `FROM … WHERE`, its waiting job, and whether its period has had none. */
function conditionsOf(
  workspace: number,
  groupId: string,
  { audience, period }: Pick<SyncDraft, 'audience' | 'period'>,
) {
  const attachedGroup = sql`experience_groups AS g
    WHERE g.workspace_id = ${workspace} AND g.id = ${groupId} AND g.deleted_at IS NULL
      AND g.audience_id = ${audience}`
  const waitingJob = sql`(
    SELECT w.key FROM jobs AS w
    WHERE w.workspace_id = ${workspace} AND w.audience_id = ${audience} AND w.ended_at IS NULL
      AND w.state = 'waiting' AND w.group_key = (SELECT g.key FROM ${attachedGroup}))`
  const isDue =
    period === undefined
      ? sql`true`
      : sql`EXISTS (
        SELECT 1 FROM audiences AS a
        WHERE a.workspace_id = ${workspace} AND a.id = ${audience}
          AND coalesce(a.refreshed, '') < ${period})`
  return { attachedGroup, waitingJob, isDue }
}
