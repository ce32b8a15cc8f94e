import type { GroupJob } from '../experience/jobs.ts'
import { openSync } from '../experience/audience-jobs.ts'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from '../jobs/enqueue.ts'
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
  if (job !== undefined) await enqueue(res, { kind: 'job', workspace, job: job.key })
  return job
}
