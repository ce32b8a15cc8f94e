import type { GroupJob } from '../experience/jobs.ts'
import { openSync } from '../experience/audience-jobs.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { getAudience } from './audiences.ts'
import { marked } from './missing.ts'
import { resolveAudience } from './resolve.ts'

/**
 * Opens a job that makes an audience's experience group what the audience is: a REPLACE like that of a file, with the rule as it is now.
 * One that waits already is given the rule instead. Throws `not-found`, `not-tied`, `jobs-waiting`, and what `resolveAudience` throws.
 */
export async function requestSync(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
): Promise<GroupJob> {
  const job = await beginSync(res, workspace, id, by, undefined)
  if (job === undefined) throw new Failure({ reason: 'not-attached', audience: id }) // its group has gone in this moment
  return job
}

/** The same once for a week or a day (see period.ts), however often this is called; undefined where that had its job. */
export async function beginSync(
  res: Resources,
  workspace: number,
  id: string,
  by: string,
  period: string | undefined,
): Promise<GroupJob | undefined> {
  const db = res.databaseOf(workspace)
  const [{ group }, { rule, names }] = await Promise.all([
    getAudience(db, workspace, id),
    resolveAudience(db, workspace, id),
  ])
  if (group === null) throw new Failure({ reason: 'not-attached', audience: id })
  const draft = { audience: id, rule: marked(rule, names), createdBy: by, period }
  const job = await openSync(res, workspace, group, draft)
  if (job !== undefined) await enqueue(res, { kind: 'job', workspace, job: job.key })
  return job
}
