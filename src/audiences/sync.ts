import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import { together, type Db, type Result } from '../db/connect.ts'
import { getGroup } from '../experience/groups.ts'
import { findJob, type GroupJob } from '../experience/jobs.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { JobRow } from '../jobs/job.ts'
import { countUnended, insertNextJob } from '../jobs/jobs.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { getAudience } from './audiences.ts'
import type { ResolvedRule } from './compile.ts'
import { checkCost } from './cost.ts'
import { withShared } from './references.ts'
import { resolveAudience } from './resolve.ts'

type Mode = NonNullable<JobRow['mode']>

/**
 * Opens a job that fills an audience's group by its current rule; a waiting job of the same mode gets
 * that rule instead. Throws `not-found`, `not-attached`, `jobs-waiting` or `rule-refused`.
 */
export async function requestSync(
  res: Resources,
  workspace: number,
  id: string,
  { by, mode = 'apply' }: { by: string; mode?: Mode | undefined },
): Promise<GroupJob> {
  const db = res.databaseOf(workspace)
  const [{ group }, resolved] = await Promise.all([
    getAudience(db, workspace, id),
    resolveAudience(db, workspace, id),
  ])
  checkCost(resolved.rule, res.limits)
  const notAttached = new Failure({ reason: 'not-attached', audience: id })
  if (group === null) throw notAttached
  const row = rowOf({ workspace, audience: id, ...resolved })
  const waiting = sql`(SELECT w.id FROM jobs AS w WHERE w.workspace_id = ${workspace}
    AND w.audience_id = ${id} AND ${waitsIn(mode)} LIMIT 1)`
  const data = sql`json_object('audience_id', ${id}, 'job_id', ${waiting})`
  const requested = announce(
    res,
    workspace,
    { type: 'sync.requested', data },
    sql`${waiting} IS NOT NULL`,
  )
  const { opened: [opened] = [], results } = await openSyncs(db, [row], {
    by,
    mode,
    period: undefined,
    res,
    requested,
  })
  await enqueueAnnounced(res, workspace, results)
  const job = opened?.job == null ? undefined : await findJob(db, workspace, opened.job)
  if (job === undefined) {
    await getGroup(db, workspace, group)
    if (opened === undefined) throw notAttached // it was detached meanwhile
    throw new Failure({ reason: 'jobs-waiting', max: res.limits.jobsWaitingMax })
  }
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return job
}

/** Whether a job `w` waits that is a preview, or is none. */
const waitsIn = (mode: Mode): SQL => sql`w.ended_at IS NULL AND w.state = 'waiting'
  AND coalesce(w.mode, 'apply') = ${mode}`

/** A sync to open: an audience fills its group by its rule. */
interface SyncDraft extends ResolvedRule {
  workspace: number
  audience: string
}

/** The waiting sync of an audience that fills a group; null where none was due, or may wait. */
interface Opened {
  workspace: number
  job: number | null
}

/** A sync as JSON, for `openSyncs`. */
export function rowOf({ workspace, audience, rule, names }: SyncDraft): string {
  const saved = stringifyJson(withShared(rule, names))
  return `[${workspace},${JSON.stringify(audience)},${saved},"${crypto.randomUUID()}"]`
}

/**
 * Opens the syncs of `rowOf`, or gives their rules to those that wait in the same mode, in one batch. At most one each
 * for a `period`, the week or day of a cron.
 */
export async function openSyncs(
  db: Db,
  rows: string[],
  options: {
    by: string
    mode: Mode
    period: string | undefined
    res: Pick<Resources, 'now' | 'limits' | 'actor'>
    /** The statements of the event of a request. */
    requested?: SQL[]
  },
): Promise<{ opened: Opened[]; results: Result[] }> {
  // One batch, so that a period is not marked as done without its job, nor gets two jobs.
  const results = await together(db, statementsOf(`[${rows.join()}]`, options))
  const opened = (results.at(-1)?.rows ?? []) as Opened[] // as the last statement gives them
  return { opened, results }
}

/** The statements of `openSyncs` for a JSON list of rows. */
function statementsOf(
  list: string,
  { by, mode, period, res, requested = [] }: Parameters<typeof openSyncs>[2],
): SQLWrapper[] {
  const { jobsWaitingMax, sliceBytes } = res.limits
  const audience = sql`d.value ->> 1`
  const attached = sql`json_each(${list}) AS d CROSS JOIN experience_groups AS g
    ON g.workspace_id = d.value ->> 0 AND g.audience_id = ${audience} AND g.deleted_at IS NULL`
  const isWaiting = sql`w.workspace_id = d.value ->> 0 AND w.audience_id = ${audience}
    AND ${waitsIn(mode)} AND w.group_key = g.key`
  const waiting = sql`${attached} CROSS JOIN jobs AS w ON ${isWaiting}`
  const ofAudience = sql`a.workspace_id = d.value ->> 0 AND a.id = ${audience}`
  const isDue =
    period === undefined
      ? sql`true`
      : sql`EXISTS (SELECT 1 FROM audiences AS a
        WHERE ${ofAudience} AND coalesce(a.refreshed, '') < ${period})`
  return [
    insertNextJob(
      {
        workspace: sql`g.workspace_id`,
        queue: sql`g.key`,
        from: sql`FROM ${attached} WHERE ${isDue} AND ${countUnended(sql`g.key`)} < ${jobsWaitingMax}
          AND NOT EXISTS (SELECT 1 FROM jobs AS w WHERE ${isWaiting})`,
      },
      {
        type: 'replace',
        fileName: sql`'audience ' || (${audience})`,
        fileKey: sql`'audiences/' || (${audience})`,
        fileSize: 1,
        createdBy: by,
        actor: res.actor,
        audience,
        mode,
      },
      { id: sql`d.value ->> 3`, sliceBytes, now: res.now() },
    ),
    sql`
    INSERT INTO sync_rules (job_key, rule) SELECT w.key, d.value -> 2 FROM ${waiting} WHERE true
    ON CONFLICT (job_key) DO UPDATE SET rule = excluded.rule`,
    period === undefined
      ? sql`UPDATE jobs SET created_by = ${by}, actor = ${JSON.stringify(res.actor)}
        WHERE key IN (SELECT w.key FROM ${waiting})`
      : sql`UPDATE audiences SET refreshed = ${period}
        WHERE key IN (SELECT a.key FROM ${waiting} CROSS JOIN audiences AS a ON ${ofAudience})`,
    ...requested,
    sql`
    SELECT g.workspace_id AS workspace, (SELECT w.key FROM jobs AS w WHERE ${isWaiting}) AS job
    FROM ${attached}`,
  ]
}
