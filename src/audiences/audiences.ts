import { and, asc, eq, isNull, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { audiences, experienceGroups, type SharedAttribute } from '../db/schema.ts'
import { getGroup, tie, untie } from '../experience/groups.ts'
import { withdrawSyncs } from '../experience/syncs.ts'
import { Failure } from '../failure.ts'
import type { Limits, Resources } from '../resources.ts'
import { wakeAll } from '../work/wake.ts'
import type { Asked, Names } from './compile.ts'
import { periodOf } from './period.ts'
import { expand, isOverMembers, nodesOf, refused, usedBy, type Rule } from './rule.ts'

/** An audience as it is kept, and the experience group that it fills, if it fills one. */
export type Audience = Omit<typeof audiences.$inferSelect, 'rule'> & { rule: Rule; group: string | null }

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

const named = (workspace: number, id: string) => and(eq(audiences.workspace, workspace), eq(audiences.id, id))

/** The audiences of the workspace, oldest first: no more than the limits of this installation allow, or allowed. */
export async function listAudiences(db: Db, workspace: number): Promise<Audience[]> {
  return (await select(db).where(eq(audiences.workspace, workspace)).orderBy(asc(audiences.key))).map(shown)
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
      sql`SELECT NULL, ${workspace}, ${id}, ${name}, ${description}, ${JSON.stringify(rule)}, ${JSON.stringify(usedBy(rule))}, ${refresh},
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
  const before = await getAudience(db, workspace, id)
  await checkRule(db, workspace, rule, id)
  const refreshed = draft.refresh === before.refresh ? before.refreshed : periodOf(draft.refresh, now)
  // Looked for in the same statement: two changes at once could close a circle that neither of them sees.
  const { meta } = await db
    .update(audiences)
    .set({ ...draft, refreshed, rule, uses: usedBy(rule), updatedAt: now, updatedBy: by })
    .where(and(named(workspace, id), allThere(workspace, rule), sql`${id} NOT IN (SELECT id FROM (${reached(workspace, rule)}))`))
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
async function endSyncs(res: Resources, workspace: number, withdrawn: D1Result | undefined): Promise<void> {
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
export async function tieAudience(res: Resources, workspace: number, id: string, groupId: string): Promise<Audience> {
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
        .where(named(workspace, id)),
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
  const [withdrawn] = await together(db, [withdrawSyncs(workspace, id, sql`true`, res.now()), untie(workspace, id, sql`true`)])
  await endSyncs(res, workspace, withdrawn)
}

/**
 * A rule with those of the audiences that it uses, and what the names in it stand for, all as they are now. Throws `rule-refused` where the
 * whole is more than a rule may be.
 */
export async function wholeRule(db: Db, workspace: number, rule: Rule, own?: string): Promise<Asked> {
  const [definitions, used] = await together(db, [defined(workspace), rulesOf(workspace, reached(workspace, rule))])
  return { rule: expand(rule, rulesIn(used), own), names: namesOf(definitions) }
}

/** The same of an audience, in one round trip. Throws `not-found` too. */
export async function askAudience(db: Db, workspace: number, id: string): Promise<Asked> {
  const self = sql`SELECT ${id} AS id`
  const [definitions, used] = await together(db, [defined(workspace), rulesOf(workspace, reachedFrom(workspace, self))])
  const rules = rulesIn(used)
  const rule = rules.get(id)
  if (rule === undefined) throw new Failure({ reason: 'not-found', what: 'audience', id })
  return { rule: expand(rule, rules, id), names: namesOf(definitions) }
}

/** What names in rules stand for in the workspace, as it is now. */
export async function namesIn(db: Db, workspace: number): Promise<Names> {
  const [definitions] = await together(db, [defined(workspace)])
  return namesOf(definitions)
}

const defined = (workspace: number): SQL =>
  sql`SELECT id, key, attributes FROM group_definitions WHERE workspace_id = ${workspace} AND deleted_at IS NULL`

function namesOf(definitions: D1Result | undefined): Names {
  const found = (definitions?.results ?? []) as { id: string; key: number; attributes: string }[] // the columns of `defined`
  return {
    // A definition keeps a list of them alone.
    definitions: new Map(found.map(({ id, key, attributes }) => [id, { key, attributes: JSON.parse(attributes) as SharedAttribute[] }])),
  }
}

const rulesOf = (workspace: number, ids: SQL): SQL =>
  sql`SELECT a.id, a.rule FROM (${ids}) AS r JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = r.id`

function rulesIn(used: D1Result | undefined): Map<string, Rule> {
  const found = (used?.results ?? []) as { id: string; rule: string }[] // the columns of `rulesOf`
  return new Map(found.map(({ id, rule }) => [id, JSON.parse(rule) as Rule])) // only rules are written
}

/** The same for a rule that is told just now: throws `rule-refused` also where it names a definition or an experience group that is not there. */
export async function checkRule(db: Db, workspace: number, rule: Rule, own?: string): Promise<Asked> {
  const whole = await wholeRule(db, workspace, rule, own)
  const { definitions } = whole.names
  const nodes = [...nodesOf(rule)]
  for (const { rule, at } of nodes)
    if (isOverMembers(rule) && !definitions.has(rule.group)) throw refused(`${at}/group`, `names no group definition: ${rule.group}`)
  const asked = nodes.flatMap(({ rule, at }) => (rule.operator === 'in_group' ? [{ id: rule.group, at }] : []))
  if (asked.length === 0) return whole
  const there = await db
    .select({ id: experienceGroups.id })
    .from(experienceGroups)
    .where(
      and(
        eq(experienceGroups.workspace, workspace),
        isNull(experienceGroups.deletedAt),
        sql`id IN (SELECT value FROM json_each(${JSON.stringify(asked.map(({ id }) => id))}))`,
      ),
    )
  const missing = asked.find(({ id }) => !there.some((group) => group.id === id))
  if (missing !== undefined) throw refused(`${missing.at}/group`, `names no experience group: ${missing.id}`)
  return whole
}

/** The audiences that a rule uses, itself or through others: a query of `id`. */
const reached = (workspace: number, rule: Rule): SQL =>
  reachedFrom(workspace, sql`SELECT value AS id FROM json_each(${JSON.stringify(usedBy(rule))})`)

/** Audiences, and those that they use, themselves or through others. */
const reachedFrom = (workspace: number, ids: SQL): SQL => sql`
  WITH RECURSIVE reached (id) AS (${ids}
    UNION SELECT used.value FROM reached JOIN audiences AS a ON a.workspace_id = ${workspace} AND a.id = reached.id JOIN json_each(a.uses) AS used)
  SELECT id FROM reached`

/** Whether all the audiences are there that a rule itself uses. */
const allThere = (workspace: number, rule: Rule): SQL => {
  const used = usedBy(rule)
  return sql`(SELECT count(*) FROM audiences AS used
    WHERE used.workspace_id = ${workspace} AND used.id IN (SELECT value FROM json_each(${JSON.stringify(used)}))) = ${used.length}`
}
