import { and, asc, eq, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { audiences } from '../db/schema.ts'
import { getGroup } from '../experience/groups.ts'
import { attach, detach, withdrawSyncs } from './attached-group.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Resources } from '../resources.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { periodOf } from './refresh-period.ts'
import { avoidsCycle, checkCycle, isIndependent } from './cycle.ts'
import { firstMissing, referencesOf } from './references.ts'
import { audiencesIn, type Rule } from './rule.ts'
import { resolveRule } from './resolve.ts'

export type Audience = Omit<typeof audiences.$inferSelect, 'rule'> & {
  rule: Rule
  /** The experience group that it fills. */
  group: string | null
}

export interface AudienceDraft {
  name: string
  description: string
  rule: Rule
  refresh: Audience['refresh']
}

/** A draft and the client that sent it. */
type Change = AudienceDraft & { by: string }

const group = sql<string | null>`(SELECT g.id FROM experience_groups AS g
  WHERE g.workspace_id = audiences.workspace_id AND g.audience_id = audiences.id
    AND g.deleted_at IS NULL)`

const select = (db: Db) => db.select({ audience: audiences, group }).from(audiences)

type Row = Awaited<ReturnType<typeof select>>[number]

const audienceOf = ({ audience, group }: Row): Audience => ({
  ...audience,
  rule: audience.rule as Rule, // only rules are written
  group,
})

const hasId = (workspace: number, id: string) =>
  and(eq(audiences.workspace, workspace), eq(audiences.id, id))

/** The audiences of the workspace after one of them, oldest first; all of them by default. */
export async function listAudiences(
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number } = { after: '', size: -1 },
): Promise<Audience[]> {
  const isAfter =
    after === ''
      ? undefined
      : sql`${audiences.key} > (SELECT key FROM audiences
          WHERE workspace_id = ${workspace} AND id = ${after})`
  const found = await select(db)
    .where(and(eq(audiences.workspace, workspace), isAfter))
    .orderBy(asc(audiences.key))
    .limit(size)
  return found.map(audienceOf)
}

/** Throws `not-found`. */
export async function getAudience(db: Db, workspace: number, id: string): Promise<Audience> {
  const [found] = await select(db).where(hasId(workspace, id))
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'audience', id })
  return audienceOf(found)
}

/** Repeats an attempt that gave undefined, as concurrent changes have made its statement void. */
async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < 5; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
  }
  throw new Error('concurrent changes got in the way five times')
}

/** Throws `taken`, `limit`, and `rule-refused`. */
export async function createAudience(
  res: Resources,
  workspace: number,
  id: string,
  { by, ...draft }: Change,
): Promise<Audience> {
  const db = res.databaseOf(workspace)
  const { audiencesMax: max } = res.limits
  const now = res.now()
  const count = sql`(SELECT count(*) FROM audiences WHERE workspace_id = ${workspace})`
  return retried(async () => {
    const { saved: rule, names } = await resolveRule(db, workspace, draft.rule, id)
    const missing = firstMissing(workspace, referencesOf(rule, names))
    // The statement itself checks the limit and the references, so that no change can come between.
    const { meta } = await db.run(sql`
      INSERT INTO audiences (workspace_id, id, name, description, rule, uses, refresh, refreshed,
        created_on, created_by, last_modified_on, last_modified_by)
      SELECT ${workspace}, ${id}, ${draft.name}, ${draft.description}, ${stringifyJson(rule)},
        ${JSON.stringify(audiencesIn(rule))}, ${draft.refresh}, ${periodOf(draft.refresh, now)},
        ${now}, ${by}, ${now}, ${by}
      WHERE ${count} < ${max} AND ${missing} IS NULL ON CONFLICT DO NOTHING`)
    if (meta.changes === 1) return getAudience(db, workspace, id)
    const [taken] = await select(db).where(hasId(workspace, id))
    if (taken !== undefined) throw new Failure({ reason: 'taken', what: 'audience', name: id })
    const found = await db.get<{ count: number }>(sql`SELECT ${count} AS count`)
    if (found.count >= max) throw new Failure({ reason: 'limit', what: 'audiences', max })
    return undefined
  })
}

/**
 * Replaces an audience, except for its id and its group. Throws `not-found`, `rule-refused`, or
 * `cycle` if it would depend on that group.
 */
export async function updateAudience(
  res: Resources,
  workspace: number,
  id: string,
  { by, ...draft }: Change,
): Promise<Audience> {
  const db = res.databaseOf(workspace)
  const now = res.now()
  // Read by the statement: a cron may have written it since.
  const refreshed = sql`iif(refresh = ${draft.refresh}, refreshed, ${periodOf(draft.refresh, now)})`
  return retried(async () => {
    await getAudience(db, workspace, id)
    const { saved: rule, names } = await resolveRule(db, workspace, draft.rule, id)
    checkCycle(await listAudiences(db, workspace), id, { rule })
    // The statement checks again: two concurrent changes may close a cycle that neither sees.
    const { meta } = await db
      .update(audiences)
      .set({ ...draft, refreshed, rule, uses: audiencesIn(rule), updatedAt: now, updatedBy: by })
      .where(
        and(
          hasId(workspace, id),
          sql`${firstMissing(workspace, referencesOf(rule, names))} IS NULL`,
          avoidsCycle(workspace, id, rule),
        ),
      )
    return meta.changes === 0 ? undefined : getAudience(db, workspace, id)
  })
}

/**
 * Deletes an audience and undoes its unended syncs; its group keeps its members.
 * Throws `not-found`, or `in-use` if another audience uses it.
 */
export async function deleteAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const users = sql`FROM audiences AS other, json_each(other.uses) AS used
    WHERE other.workspace_id = ${workspace} AND other.id <> ${id} AND used.value = ${id}`
  const isDeleted = sql`NOT ${exists(workspace, id)}`
  const withdrawn = await retried(async () => {
    const [deleted, , withdrawn] = await together(db, [
      db
        .delete(audiences)
        .where(and(hasId(workspace, id), sql`(SELECT 1 ${users} LIMIT 1) IS NULL`)),
      detach(workspace, id, isDeleted),
      withdrawSyncs(workspace, id, isDeleted, res.now()),
    ])
    if (deleted.changes !== 0) return withdrawn.rows
    await getAudience(db, workspace, id)
    const by = await db.all<{ id: string }>(sql`SELECT DISTINCT other.id ${users} ORDER BY 1`)
    if (by.length === 0) return undefined
    throw new Failure({ reason: 'in-use', what: 'audience', id, by: by.map(({ id }) => id) })
  })
  await enqueueJobs(res, workspace, withdrawn)
}

const exists = (workspace: number, id: string): SQL =>
  sql`EXISTS (SELECT 1 FROM audiences WHERE workspace_id = ${workspace} AND id = ${id})`

/** Enqueues withdrawn jobs: their writes are undone, and the next job of their group begins. */
const enqueueJobs = (res: Resources, workspace: number, jobs: { job: number }[]): Promise<void> =>
  enqueueAll(
    res,
    jobs.map(({ job }) => ({ kind: 'job', workspace, job })),
  )

/**
 * Attaches an audience to the experience group that it fills from now on. Throws `not-found`,
 * `in-use` if another audience fills the group, or `cycle`.
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
    if (before.group !== groupId) await replaceGroup(res, before, groupId)
    const attached = await getAudience(db, workspace, id)
    if (attached.group === groupId) return attached
    const { audience } = await getGroup(db, workspace, groupId)
    if (audience !== null)
      throw new Failure({ reason: 'in-use', what: 'group', id: groupId, by: [audience] })
    checkCycle(await listAudiences(db, workspace), id, { group: groupId })
    return undefined
  })
}

/** Changes nothing if the group is not free, or a cycle would arise. */
async function replaceGroup(
  res: Resources,
  { workspace, id, refresh }: Audience,
  groupId: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const now = res.now()
  const independent = isIndependent(workspace, id, groupId)
  const isFree = sql`EXISTS (SELECT 1 FROM experience_groups
    WHERE workspace_id = ${workspace} AND id = ${groupId} AND deleted_at IS NULL
      AND audience_id IS NULL) AND ${independent}`
  const [withdrawn] = await together(db, [
    withdrawSyncs(workspace, id, isFree, now),
    detach(workspace, id, isFree),
    attach(workspace, groupId, id, sql`${exists(workspace, id)} AND ${independent}`),
    db
      .update(audiences)
      .set({ refreshed: periodOf(refresh, now) })
      .where(and(hasId(workspace, id), sql`changes() > 0`)),
  ])
  await enqueueJobs(res, workspace, withdrawn.rows)
}

/**
 * Detaches an audience from its group, which keeps its members and takes uploads again; undoes
 * unended syncs. Throws `not-found` or `not-attached`.
 */
export async function detachAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const { group } = await getAudience(db, workspace, id)
  if (group === null) throw new Failure({ reason: 'not-attached', audience: id })
  const [withdrawn] = await together(db, [
    withdrawSyncs(workspace, id, sql`true`, res.now()),
    detach(workspace, id, sql`true`),
  ])
  await enqueueJobs(res, workspace, withdrawn.rows)
}
