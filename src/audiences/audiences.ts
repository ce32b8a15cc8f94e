import { and, asc, eq, gt, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { retried } from '../db/retried.ts'
import { audiences } from '../db/schema.ts'
import { detach, enqueueWithdrawn, withdrawSyncs } from './attached-group.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { periodOf } from './refresh-period.ts'
import { avoidsCycle, checkCycle } from './cycle.ts'
import { checkCost } from './cost.ts'
import { firstMissing, referencesOf } from './references.ts'
import { audiencesIn, type Rule } from './rule.ts'
import { resolveRule } from './resolve.ts'

export type Audience = Omit<typeof audiences.$inferSelect, 'rule'> & {
  rule: Rule
  /** The experience group that it fills. */
  group: string | null
  groupName: string | null
  groupCount: number | null
}

export interface AudienceDraft {
  name: string
  description: string
  rule: Rule
  refresh: Audience['refresh']
}

/** A draft and the client that sent it. */
type Change = AudienceDraft & { by: string }

const ofGroup = {
  group: sql<string | null>`g.id`.as('group_id'),
  groupName: sql<string | null>`g.name`.as('group_name'),
  groupCount: sql<number | null>`g.participant_count`.as('group_count'),
}

const select = (db: Db) =>
  db
    .select({ audience: audiences, ...ofGroup })
    .from(audiences)
    .leftJoin(
      sql`experience_groups AS g`,
      sql`g.workspace_id = ${audiences.workspace} AND g.audience_id = ${audiences.id}
        AND g.deleted_at IS NULL`,
    )

type Row = Awaited<ReturnType<typeof select>>[number]

const audienceOf = ({ audience, ...ofGroup }: Row): Audience => ({
  ...audience,
  rule: audience.rule as Rule, // only rules are written
  ...ofGroup,
})

const hasId = (workspace: number, id: string) =>
  and(eq(audiences.workspace, workspace), eq(audiences.id, id))

/**
 * The audiences of the workspace after one of them, oldest first; all of them by default. Throws
 * `not-found` for that one.
 */
export async function listAudiences(
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number } = { after: '', size: -1 },
): Promise<Audience[]> {
  const afterKey = after === '' ? 0 : (await getAudience(db, workspace, after)).key
  const found = await select(db)
    .where(and(eq(audiences.workspace, workspace), gt(audiences.key, afterKey)))
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
    const { saved: rule, names, rule: expanded } = await resolveRule(db, workspace, draft.rule, id)
    checkCost(expanded, res.limits)
    const missing = firstMissing(workspace, referencesOf(rule, names))
    // The statement itself checks the limit and the references, so that no change can come between.
    const results = await together(db, [
      sql`
      INSERT INTO audiences (workspace_id, id, name, description, rule, uses, refresh, refreshed,
        created_on, created_by, last_modified_on, last_modified_by)
      SELECT ${workspace}, ${id}, ${draft.name}, ${draft.description}, ${stringifyJson(rule)},
        ${JSON.stringify(audiencesIn(rule))}, ${draft.refresh}, ${periodOf(draft.refresh, now)},
        ${now}, ${by}, ${now}, ${by}
      WHERE ${count} < ${max} AND ${missing} IS NULL ON CONFLICT DO NOTHING`,
      ...announce(res, workspace, { type: 'audience.created', data: { audience_id: id } }),
    ])
    await enqueueAnnounced(res, workspace, results)
    if (results[0].changes > 0) return getAudience(db, workspace, id)
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
    const { saved: rule, names, rule: expanded } = await resolveRule(db, workspace, draft.rule, id)
    checkCost(expanded, res.limits)
    checkCycle(await listAudiences(db, workspace), id, { rule })
    // The statements check again: two concurrent changes may close a cycle that neither sees.
    const isChanged = and(
      hasId(workspace, id),
      sql`${firstMissing(workspace, referencesOf(rule, names))} IS NULL`,
      avoidsCycle(workspace, id, rule),
    )
    // The event first, as it says what the audience was before.
    const results = await together(db, [
      ...announce(
        res,
        workspace,
        {
          type: 'audience.updated',
          data: { audience_id: id },
          change: sql`(SELECT ${changeTo({ ...draft, rule })} FROM audiences
            WHERE ${hasId(workspace, id)})`,
        },
        sql`EXISTS (SELECT 1 FROM audiences WHERE ${isChanged})`,
      ),
      db
        .update(audiences)
        .set({ ...draft, refreshed, rule, uses: audiencesIn(rule), updatedAt: now, updatedBy: by })
        .where(isChanged),
    ])
    await enqueueAnnounced(res, workspace, results)
    return results.at(-1)?.changes === 0 ? undefined : getAudience(db, workspace, id)
  })
}

/** SQL of an audience's row: its settings before and after; a rule has values, and is not shown. */
const changeTo = ({ name, description, rule, refresh }: AudienceDraft): SQL => sql`json_object(
  'before', json_object('name', name, 'description', description, 'refresh', refresh),
  'after', json_object('name', ${name}, 'description', ${description}, 'refresh', ${refresh},
    'rule_changed', json(iif(rule = ${stringifyJson(rule)}, 'false', 'true'))))`

/**
 * Deletes an audience and undoes its unended syncs; its group keeps its members.
 * Throws `not-found`, or `in-use` if another audience uses it.
 */
export async function deleteAudience(res: Resources, workspace: number, id: string): Promise<void> {
  const db = res.databaseOf(workspace)
  const users = sql`FROM audiences AS other, json_each(other.uses) AS used
    WHERE other.workspace_id = ${workspace} AND other.id <> ${id} AND used.value = ${id}`
  const isDeleted = sql`NOT ${exists(workspace, id)}`
  const results = await retried(async () => {
    const results = await together(db, [
      db
        .delete(audiences)
        .where(and(hasId(workspace, id), sql`(SELECT 1 ${users} LIMIT 1) IS NULL`)),
      ...announce(res, workspace, { type: 'audience.deleted', data: { audience_id: id } }),
      detach(workspace, id, isDeleted),
      ...withdrawSyncs(res, workspace, id, isDeleted),
    ])
    if (results[0].changes !== 0) return results
    await getAudience(db, workspace, id)
    const by = await db.all<{ id: string }>(sql`SELECT DISTINCT other.id ${users} ORDER BY 1`)
    if (by.length === 0) return undefined
    throw new Failure({ reason: 'in-use', what: 'audience', id, by: by.map(({ id }) => id) })
  })
  await enqueueWithdrawn(res, workspace, results)
}

/** SQL: whether there is such an audience. */
export const exists = (workspace: number, id: string): SQL =>
  sql`EXISTS (SELECT 1 FROM audiences WHERE workspace_id = ${workspace} AND id = ${id})`
