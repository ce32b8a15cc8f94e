import { and, eq, isNull, sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { experienceGroups, jobs } from '../db/schema.ts'
import {
  checkUnusedByExperiments,
  checkUnused,
  namesOfGroup,
  unusedByExperiments,
  unused,
} from '../db/uses.ts'
import type { Resources } from '../resources.ts'
import { announce, announceEach, enqueueAnnounced } from '../webhooks/announce.ts'
import { expireUploads } from '../jobs/delete-upload.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { getGroup, isLive } from './groups.ts'

/**
 * Deletes a group for every reader at once and cancels its jobs and uploads; the queue deletes its
 * rows. Throws
 * `not-found`, `in-use` by an audience's rule, and `in-experiments`.
 */
export async function deleteGroup(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { key } = await getGroup(db, workspace, id)
  const now = res.now()
  const names = namesOfGroup(id)
  const isDeleted = sql`(SELECT deleted_at FROM experience_groups WHERE key = ${key}) IS NOT NULL`
  const results = await together(db, [
    db
      .update(experienceGroups)
      .set({ deletedAt: now })
      .where(
        and(
          isLive(workspace),
          eq(experienceGroups.key, key),
          unused(workspace, names),
          unusedByExperiments(workspace, 'group', id),
        ),
      ),
    ...announce(res, workspace, { type: 'group.deleted', data: { group_id: id } }),
    ...announceEach(
      res,
      workspace,
      'job.cancelled',
      sql`SELECT id, json_object('job_id', id, 'group_id', ${id}) AS data FROM jobs
        WHERE group_key = ${key} AND ended_at IS NULL
          AND ${isDeleted}`,
    ),
    db
      .update(jobs)
      .set({ state: 'cancelled', step: sql`step + 1`, updatedAt: now, endedAt: now })
      .where(
        and(eq(jobs.workspace, workspace), eq(jobs.group, key), isNull(jobs.endedAt), isDeleted),
      ),
    expireUploads(workspace, id, isDeleted),
  ])
  if (results[0].changes === 0) {
    await checkUnused(db, workspace, names, { what: 'group', id })
    await checkUnusedByExperiments(db, workspace, 'group', id)
    return deleteGroup(res, workspace, id)
  }
  await enqueueAnnounced(res, workspace, results)
  await enqueue(res, { kind: 'erase', workspace, group: key })
}
