import { and, asc, eq, isNotNull, lte, sql } from 'drizzle-orm'
import { costOf, together } from '../db/connect.ts'
import { deleteSome } from '../db/delete-some.ts'
import { experienceGroups, jobs, syncRules } from '../db/schema.ts'
import { eraseMembers, type Group } from '../membership/members.ts'
import type { Resources } from '../resources.ts'
import { carryOnSteps } from '../jobs/carry-on.ts'
import { startNext } from '../jobs/turn.ts'
import type { Invocation } from '../jobs/invocation.ts'

const rowsFirst = 2000
const jobsPerStep = 100

/** Deletes a group's rows and files in bounded steps, then the group. */
export async function eraseGroup(res: Resources, workspace: number, group: number): Promise<void> {
  const db = res.databaseOf(workspace)
  const deleted = and(
    eq(experienceGroups.workspace, workspace),
    eq(experienceGroups.key, group),
    isNotNull(experienceGroups.deletedAt),
  )
  const [found] = await db
    .select({ key: experienceGroups.key })
    .from(experienceGroups)
    .where(deleted)
  if (found === undefined) return
  await startNext(res, workspace) // its jobs have ended by its deletion
  await carryOnSteps(res, { kind: 'erase', workspace, group }, async (invocation) => {
    if (await eraseStep(res, { workspace, group }, invocation)) return true
    await db.delete(experienceGroups).where(deleted)
    return false
  })
}

/** One step; false when nothing is left but the group. */
async function eraseStep(
  res: Resources,
  { workspace, group }: Group,
  invocation: Invocation,
): Promise<boolean> {
  const db = res.databaseOf(workspace)
  const ofGroup = and(eq(jobs.workspace, workspace), eq(jobs.group, group))
  const rows = invocation.items(rowsFirst)
  const results = await together(db, [
    eraseMembers({ workspace, group }, rows),
    deleteSome(
      sql`job_problems`,
      sql`job_key, line`,
      sql`job_key IN (SELECT key FROM jobs WHERE group_key = ${group})`,
      rows,
    ),
  ])
  await invocation.took(costOf(results).ms, rows)
  if (results.some(({ changes }) => changes > 0)) return true

  const oldest = await db
    .select({ revision: jobs.revision, fileKey: jobs.fileKey })
    .from(jobs)
    .where(ofGroup)
    .orderBy(asc(jobs.revision))
    .limit(jobsPerStep)
  const last = oldest.at(-1)
  if (last === undefined) return false
  await res.files.delete(oldest.map(({ fileKey }) => fileKey))
  const erased = and(ofGroup, lte(jobs.revision, last.revision))
  await together(db, [
    db.delete(syncRules).where(sql`job_key IN (SELECT key FROM jobs WHERE ${erased})`),
    db.delete(jobs).where(erased),
  ])
  return true
}
