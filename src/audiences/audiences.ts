import { and, asc, eq, sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { audiences } from '../db/schema.ts'
import { getGroup, attach, detach } from '../experience/groups.ts'
import { withdrawSyncs } from '../experience/audience-jobs.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Limits, Resources } from '../resources.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { periodOf } from './period.ts'
import { checkCircle, independent, leadsElsewhere } from './circle.ts'
import { gone, needsOf } from './missing.ts'
import { usedBy, type Rule } from './rule.ts'
import { resolveRule } from './resolve.ts'

/** An audience as it is kept, and the experience group that it fills, if it fills one. */
export type Audience = Omit<typeof audiences.$inferSelect, 'rule'> & {
  rule: Rule
  group: string | null
}

export interface AudienceDraft {
  name: string
  description: string
  rule: Rule
  refresh: Audience['refresh']
}

const group = sql<string | null>`(SELECT g.id FROM experience_groups AS g
  WHERE g.workspace_id = audiences.workspace_id AND g.audience_id = audiences.id AND g.deleted_at IS NULL)`

const select = (db: Db) => db.select({ audience: audiences, group }).from(audiences)

const shown = ({ audience, group }: Awaited<ReturnType<typeof select>>[number]): Audience => ({
  ...audience,
  rule: audience.rule as Rule, // only rules are written
  group,
})

const named = (workspace: number, id: string) =>
  and(eq(audiences.workspace, workspace), eq(audiences.id, id))

/** The audiences of the workspace, oldest first: no more than the limits of this installation allow, or allowed. */
export async function listAudiences(db: Db, workspace: number): Promise<Audience[]> {
  return (
    await select(db).where(eq(audiences.workspace, workspace)).orderBy(asc(audiences.key))
  ).map(shown)
}

/** Throws `not-found` for an unknown audience and for another workspace's alike. */
export async function getAudience(db: Db, workspace: number, id: string): Promise<Audience> {
  const [found] = await select(db).where(named(workspace, id))
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'audience', id })
  return shown(found)
}

/** Does anew what came to nothing as others have changed something meanwhile: the next look finds out what. */
async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < 5; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
  }
  throw new Error('others change what it names again and again')
}

/** Throws `taken`, `limit` where the workspace has as many audiences as it may, and what `resolveRule` throws. */
export async function createAudience(
  db: Db,
  workspace: number,
  id: string,
  { name, description, rule, refresh }: AudienceDraft,
  by: string,
  { audiencesMax }: Limits,
  now: number,
): Promise<Audience> {
  const held = sql`(SELECT count(*) FROM audiences WHERE workspace_id = ${workspace})`
  return retried(async () => {
    const { kept, names } = await resolveRule(db, workspace, rule, id)
    const missing = gone(workspace, needsOf(kept, names))
    // One statement, so that neither room nor anything that the rule names can go between looking and inserting.
    const { meta } = await db.run(sql`
      INSERT INTO audiences (workspace_id, id, name, description, rule, uses, refresh, refreshed,
        created_on, created_by, last_modified_on, last_modified_by)
      SELECT ${workspace}, ${id}, ${name}, ${description}, ${stringifyJson(kept)},
        ${JSON.stringify(usedBy(kept))}, ${refresh}, ${periodOf(refresh, now)},
        ${now}, ${by}, ${now}, ${by}
      WHERE ${held} < ${audiencesMax} AND ${missing} IS NULL ON CONFLICT DO NOTHING`)
    if (meta.changes === 1) return getAudience(db, workspace, id)
    const [taken] = await select(db).where(named(workspace, id))
    if (taken !== undefined) throw new Failure({ reason: 'taken', what: 'audience', name: id })
    const room = await db.get<{ held: number }>(sql`SELECT ${held} AS held`)
    if (room.held >= audiencesMax)
      throw new Failure({ reason: 'limit', what: 'audiences', max: audiencesMax })
    return undefined
  })
}

/**
 * Replaces all of an audience but its id and the group that it fills. Throws `not-found`, what `resolveRule` throws, and `circle` where the
 * rule would depend on a group that depends on it.
 */
export async function updateAudience(
  db: Db,
  workspace: number,
  id: string,
  draft: AudienceDraft,
  by: string,
  now: number,
): Promise<Audience> {
  // As it is in that moment: a cron may have marked a period meanwhile.
  const refreshed = sql`iif(refresh = ${draft.refresh}, refreshed, ${periodOf(draft.refresh, now)})`
  return retried(async () => {
    await getAudience(db, workspace, id)
    const { kept: rule, names } = await resolveRule(db, workspace, draft.rule, id)
    checkCircle(await listAudiences(db, workspace), id, { rule })
    // Looked for in the same statement: two changes at once could close a circle that neither of them sees.
    const { meta } = await db
      .update(audiences)
      .set({ ...draft, refreshed, rule, uses: usedBy(rule), updatedAt: now, updatedBy: by })
      .where(
        and(
          named(workspace, id),
          sql`${gone(workspace, needsOf(rule, names))} IS NULL`,
          leadsElsewhere(workspace, id, rule),
        ),
      )
    return meta.changes === 0 ? undefined : getAudience(db, workspace, id)
  })
}

/**
 * Deletes an audience, lets go of the group that it fills, which keeps its members, and ends the syncs that have not ended: what they
 * have written is undone. Throws `not-found`, or `in-use` where another audience uses it.
 */
export async function deleteAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const users = sql`FROM audiences AS other, json_each(other.uses) AS used
    WHERE other.workspace_id = ${workspace} AND other.id <> ${id} AND used.value = ${id}`
  const gone = sql`NOT EXISTS (SELECT 1 FROM audiences WHERE workspace_id = ${workspace} AND id = ${id})`
  const [deleted, , withdrawn] = await together(db, [
    db.delete(audiences).where(and(named(workspace, id), sql`(SELECT 1 ${users} LIMIT 1) IS NULL`)),
    detach(workspace, id, gone),
    withdrawSyncs(workspace, id, gone, res.now()),
  ])
  if (deleted?.meta.changes === 0) {
    await getAudience(db, workspace, id)
    const by = await db.all<{ id: string }>(sql`SELECT DISTINCT other.id ${users} ORDER BY 1`)
    if (by.length === 0) return deleteAudience(res, workspace, id)
    throw new Failure({ reason: 'in-use', what: 'audience', id, by: by.map(({ id }) => id) })
  }
  await endSyncs(res, workspace, withdrawn)
}

/** Enqueues jobs that were withdrawn, so that what they wrote is undone and the next of their group begins. */
async function endSyncs(
  res: Resources,
  workspace: number,
  withdrawn: D1Result | undefined,
): Promise<void> {
  const jobs = (withdrawn?.results ?? []) as { job: number }[] // the column that `withdrawSyncs` gives
  await enqueueAll(
    res,
    jobs.map(({ job }) => ({ kind: 'job', workspace, job })),
  )
}

/**
 * Ties an audience to the experience group that it fills from now on, and lets go of the one that it filled before. Throws `not-found`,
 * `in-use` where another audience fills the group, or `circle` where it depends on the group.
 */
export async function attachAudience(
  res: Resources,
  workspace: number,
  id: string,
  groupId: string,
): Promise<Audience> {
  const db = res.databaseOf(workspace)
  return retried(async () => {
    const before = await getAudience(db, workspace, id)
    await getGroup(db, workspace, groupId)
    if (before.group !== groupId) await tieTo(res, db, before, groupId)
    const attached = await getAudience(db, workspace, id)
    if (attached.group === groupId) return attached
    const { audience } = await getGroup(db, workspace, groupId)
    if (audience !== null)
      throw new Failure({ reason: 'in-use', what: 'group', id: groupId, by: [audience] })
    checkCircle(await listAudiences(db, workspace), id, { group: groupId })
    return undefined
  })
}

async function tieTo(
  res: Resources,
  db: Db,
  { workspace, id, refresh }: Audience,
  groupId: string,
): Promise<void> {
  const now = res.now()
  const open = independent(workspace, id, groupId)
  const there = sql`EXISTS (SELECT 1 FROM audiences WHERE workspace_id = ${workspace} AND id = ${id}) AND ${open}`
  const free = sql`EXISTS (SELECT 1 FROM experience_groups
      WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL AND audience_id IS NULL) AND ${open}`
  const [withdrawn] = await together(db, [
    withdrawSyncs(workspace, id, free, now),
    detach(workspace, id, free),
    attach(workspace, groupId, id, there),
    db
      .update(audiences)
      .set({ refreshed: periodOf(refresh, now) })
      .where(and(named(workspace, id), sql`changes() > 0`)),
  ])
  await endSyncs(res, workspace, withdrawn)
}

/**
 * Lets go of the group that an audience fills: it keeps its members, takes uploads again, and syncs that have not ended are undone.
 * Throws `not-found`, or `not-tied`.
 */
export async function detachAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { group } = await getAudience(db, workspace, id)
  if (group === null) throw new Failure({ reason: 'not-attached', audience: id })
  const [withdrawn] = await together(db, [
    withdrawSyncs(workspace, id, sql`true`, res.now()),
    detach(workspace, id, sql`true`),
  ])
  await endSyncs(res, workspace, withdrawn)
}
