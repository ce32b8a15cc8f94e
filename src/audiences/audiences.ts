import { and, asc, eq, sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { audiences } from '../db/schema.ts'
import { getGroup, tie, untie } from '../experience/groups.ts'
import { withdrawSyncs } from '../experience/syncs.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Limits, Resources } from '../resources.ts'
import { wakeAll } from '../work/wake.ts'
import { periodOf } from './period.ts'
import { usedBy, type Rule } from './rule.ts'
import { allThere, checkRule, reached, wholeRule } from './whole.ts'

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

/** Throws `taken`, `limit` where the workspace has as many audiences as it may, and what `checkRule` throws. */
export async function createAudience(
  db: Db,
  workspace: number,
  id: string,
  { name, description, rule, refresh }: AudienceDraft,
  by: string,
  { audiencesMax }: Limits,
  now: number,
): Promise<Audience> {
  await checkRule(db, workspace, rule, id)
  const held = sql`(SELECT count(*) FROM audiences WHERE workspace_id = ${workspace})`
  // One statement, so that neither room nor an audience that the rule uses can go between looking and inserting.
  const [created] = await db
    .insert(audiences)
    .select(
      sql`SELECT NULL, ${workspace}, ${id}, ${name}, ${description}, ${stringifyJson(rule)}, ${JSON.stringify(usedBy(rule))}, ${refresh},
        ${periodOf(refresh, now)}, ${now}, ${by}, ${now}, ${by} WHERE ${held} < ${audiencesMax} AND ${allThere(workspace, rule)}`,
    )
    .onConflictDoNothing()
    .returning()
  if (created !== undefined) return shown({ audience: created, group: null })
  const [taken] = await select(db).where(named(workspace, id))
  if (taken !== undefined) throw new Failure({ reason: 'taken', what: 'audience', name: id })
  await wholeRule(db, workspace, rule, id)
  throw new Failure({ reason: 'limit', what: 'audiences', max: audiencesMax })
}

/** Replaces all of an audience but its id and the group that it fills. Throws `not-found`, and what `checkRule` throws. */
export async function updateAudience(
  db: Db,
  workspace: number,
  id: string,
  { rule, ...draft }: AudienceDraft,
  by: string,
  now: number,
): Promise<Audience> {
  await getAudience(db, workspace, id)
  await checkRule(db, workspace, rule, id)
  // As it is in that moment: a cron may have marked a period meanwhile.
  const refreshed = sql`iif(refresh = ${draft.refresh}, refreshed, ${periodOf(draft.refresh, now)})`
  // Looked for in the same statement: two changes at once could close a circle that neither of them sees.
  const { meta } = await db
    .update(audiences)
    .set({ ...draft, refreshed, rule, uses: usedBy(rule), updatedAt: now, updatedBy: by })
    .where(
      and(
        named(workspace, id),
        allThere(workspace, rule),
        sql`${id} NOT IN (SELECT id FROM (${reached(workspace, rule)}))`,
      ),
    )
  if (meta.changes === 0) await wholeRule(db, workspace, rule, id)
  return getAudience(db, workspace, id)
}

/**
 * Deletes an audience, lets go of the group that it fills, which keeps its members, and ends the syncs that have not ended: what they
 * have written is undone. Throws `not-found`, or `in-use` where another audience uses it.
 */
export async function deleteAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const user = sql`(SELECT other.id FROM audiences AS other, json_each(other.uses) AS used
    WHERE other.workspace_id = ${workspace} AND other.id <> ${id} AND used.value = ${id} LIMIT 1)`
  const gone = sql`NOT EXISTS (SELECT 1 FROM audiences WHERE workspace_id = ${workspace} AND id = ${id})`
  const [deleted, , withdrawn] = await together(db, [
    db.delete(audiences).where(and(named(workspace, id), sql`${user} IS NULL`)),
    untie(workspace, id, gone),
    withdrawSyncs(workspace, id, gone, res.now()),
  ])
  if (deleted?.meta.changes === 0) {
    await getAudience(db, workspace, id)
    const by = await db.get<{ id: string | null }>(sql`SELECT ${user} AS id`)
    throw new Failure({ reason: 'in-use', what: 'audience', id, by: by.id ?? '' })
  }
  await endSyncs(res, workspace, withdrawn)
}

/** Rings for jobs that were withdrawn, so that what they wrote is undone and the next of their group begins. */
async function endSyncs(
  res: Resources,
  workspace: number,
  withdrawn: D1Result | undefined,
): Promise<void> {
  const jobs = (withdrawn?.results ?? []) as { job: number }[] // the column that `withdrawSyncs` gives
  await wakeAll(
    res,
    jobs.map(({ job }) => ({ kind: 'job', workspace, job })),
  )
}

/**
 * Ties an audience to the experience group that it fills from now on, and lets go of the one that it filled before. Throws `not-found`, or
 * `in-use` where another audience fills the group.
 */
export async function tieAudience(
  res: Resources,
  workspace: number,
  id: string,
  groupId: string,
): Promise<Audience> {
  const db = res.databaseOf(workspace)
  const { refresh, group } = await getAudience(db, workspace, id)
  await getGroup(db, workspace, groupId)
  if (group !== groupId) {
    const now = res.now()
    const there = sql`EXISTS (SELECT 1 FROM audiences WHERE workspace_id = ${workspace} AND id = ${id})`
    const free = sql`EXISTS (SELECT 1 FROM experience_groups
      WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL AND audience_id IS NULL)`
    const [withdrawn] = await together(db, [
      withdrawSyncs(workspace, id, free, now),
      untie(workspace, id, free),
      tie(workspace, groupId, id, there),
      db
        .update(audiences)
        .set({ refreshed: periodOf(refresh, now) })
        .where(and(named(workspace, id), sql`changes() > 0`)),
    ])
    await endSyncs(res, workspace, withdrawn)
  }
  const tied = await getAudience(db, workspace, id)
  if (tied.group === groupId) return tied
  const { audience } = await getGroup(db, workspace, groupId)
  throw new Failure({ reason: 'in-use', what: 'group', id: groupId, by: audience ?? '' })
}

/**
 * Lets go of the group that an audience fills: it keeps its members, takes uploads again, and syncs that have not ended are undone.
 * Throws `not-found`, or `not-tied`.
 */
export async function untieAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { group } = await getAudience(db, workspace, id)
  if (group === null) throw new Failure({ reason: 'not-tied', audience: id })
  const [withdrawn] = await together(db, [
    withdrawSyncs(workspace, id, sql`true`, res.now()),
    untie(workspace, id, sql`true`),
  ])
  await endSyncs(res, workspace, withdrawn)
}
