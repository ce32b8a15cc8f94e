import { and, asc, count, eq, isNull, sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { groupDefinitions, type SharedAttribute } from '../db/schema.ts'
import { checkUnused, namesOfShared, unused } from '../db/uses.ts'
import { Failure } from '../failure.ts'
import type { Limits } from '../limits.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { enqueueOpened, isWithoutRuns, openRunOfContinuous } from './open-run.ts'

export type GroupDefinition = typeof groupDefinitions.$inferSelect

/** What a client may say of a definition. */
export interface DefinitionDraft {
  description: string
  source: string
  attributes: SharedAttribute[]
  /** How values are compared, and which count as none; null or left out: the defaults. */
  matching?: GroupDefinition['matching']
  ignoreValues?: GroupDefinition['ignoreValues']
  /** When changes of users reach their groups; null or left out: every Monday. */
  refresh?: GroupDefinition['refresh']
}

export const isLive = (workspace: number) =>
  and(eq(groupDefinitions.workspace, workspace), isNull(groupDefinitions.deletedAt))
const byId = (workspace: number, id: string) => and(isLive(workspace), eq(groupDefinitions.id, id))

export const selectDefinitions = (db: Db, workspace: number) =>
  db.select().from(groupDefinitions).where(isLive(workspace)).orderBy(asc(groupDefinitions.key))

/** All definitions of a workspace, oldest first; limits bound their number. */
export const listDefinitions = (db: Db, workspace: number): Promise<GroupDefinition[]> =>
  selectDefinitions(db, workspace)

/** A query of `name`: the names of inherited attributes (Group Identity, "Step 2"). */
export const selectSharedNames = (workspace: number): SQL =>
  sql`SELECT d.id || ':' || (shared.value ->> 'id') AS name
    FROM group_definitions AS d, json_each(d.attributes) AS shared
    WHERE d.workspace_id = ${workspace} AND d.deleted_at IS NULL`

/** The names of inherited attributes: no user has an own attribute of such a name. */
export async function sharedNames(db: Db, workspace: number): Promise<Set<string>> {
  const rows = await db.all<{ name: string }>(selectSharedNames(workspace))
  return new Set(rows.map(({ name }) => name))
}

/** Throws `not-found`, also for a deleted one or another workspace's. */
export async function getDefinition(
  db: Db,
  workspace: number,
  id: string,
): Promise<GroupDefinition> {
  const [definition] = await db.select().from(groupDefinitions).where(byId(workspace, id))
  if (definition === undefined) throw new Failure({ reason: 'not-found', what: 'definition', id })
  return definition
}

/** `by` names the client. Throws `taken`, or `limit` for too many definitions or attributes. */
export async function createDefinition(
  res: Resources,
  workspace: number,
  id: string,
  { draft, by }: { draft: DefinitionDraft; by: string },
): Promise<GroupDefinition> {
  const { description, source, attributes, matching = null, ignoreValues = null } = draft
  const { refresh = null } = draft
  const { limits } = res
  checkAttributes(attributes, limits)
  const db = res.databaseOf(workspace)
  const now = res.now()
  const definitionCount = sql`(
    SELECT count(*) FROM group_definitions
    WHERE workspace_id = ${workspace} AND deleted_at IS NULL)`
  const results = await together(db, [
    // One statement, so that two requests cannot pass the limit together.
    sql`
    INSERT INTO group_definitions (workspace_id, id, description, source_user_attribute, attributes,
      created_on, created_by, last_modified_on, last_modified_by, matching, ignore_values, refresh)
    SELECT ${workspace}, ${id}, ${description}, ${source}, ${JSON.stringify(attributes)},
      ${now}, ${by}, ${now}, ${by}, ${matching}, ${ignoreValues && JSON.stringify(ignoreValues)},
      ${refresh}
    WHERE ${definitionCount} < ${limits.definitionsMax} ON CONFLICT DO NOTHING`,
    ...announce(res, workspace, { type: 'definition.created', data: { definition_id: id } }),
    openRunOfContinuous(res, workspace, id, isWithoutRuns),
  ])
  if (results[0].changes === 0) {
    const [same] = await db
      .select({ same: count() })
      .from(groupDefinitions)
      .where(byId(workspace, id))
    if (same?.same !== 0) throw new Failure({ reason: 'taken', what: 'definition', name: id })
    throw new Failure({ reason: 'limit', what: 'definitions', max: limits.definitionsMax })
  }
  await enqueueAnnounced(res, workspace, results)
  await enqueueOpened(res, workspace, results)
  return getDefinition(db, workspace, id)
}

/** A query of `id`: the attributes that a definition shares, except `remaining`. */
export const sharedExcept = (
  workspace: number,
  id: string,
  remaining: SharedAttribute[],
): SQL => sql`
  SELECT shared.value ->> 'id' AS id
  FROM group_definitions AS d, json_each(d.attributes) AS shared
  WHERE d.workspace_id = ${workspace} AND d.id = ${id} AND d.deleted_at IS NULL
    AND shared.value ->> 'id' NOT IN (
      SELECT value FROM json_each(${JSON.stringify(remaining.map(({ id }) => id))}))`

/**
 * Attributes that `change` leaves out are gone for every reader; `by` names the client. Throws
 * `not-found`, `limit`, and `in-use` by a rule that names such an attribute.
 */
export async function updateDefinition(
  res: Resources,
  workspace: number,
  id: string,
  { change, by }: { change: Partial<DefinitionDraft>; by: string },
): Promise<GroupDefinition> {
  checkAttributes(change.attributes ?? [], res.limits)
  const db = res.databaseOf(workspace)
  if (Object.keys(change).length === 0) return getDefinition(db, workspace, id)
  const now = res.now()
  const { attributes } = change
  const removedNames = attributes && namesOfShared(id, sharedExcept(workspace, id, attributes))
  const isChanged = and(byId(workspace, id), removedNames && unused(workspace, removedNames))
  // The event first, as it says what the definition was before.
  const results = await together(db, [
    ...announce(
      res,
      workspace,
      {
        type: 'definition.updated',
        data: { definition_id: id },
        change: sql`(SELECT ${changeTo(change)} FROM group_definitions WHERE ${isChanged})`,
      },
      sql`EXISTS (SELECT 1 FROM group_definitions WHERE ${isChanged})`,
    ),
    db
      .update(groupDefinitions)
      .set({ ...change, updatedAt: now, updatedBy: by })
      .where(isChanged),
    openRunOfContinuous(res, workspace, id, sql`changes() > 0`),
  ])
  const definition = await getDefinition(db, workspace, id)
  if (results.at(-2)?.changes === 0) {
    if (removedNames !== undefined)
      await checkUnused(db, workspace, removedNames, { what: 'attribute' })
    // What refused the change is gone already: a rule that named it, or a deletion.
    return updateDefinition(res, workspace, id, { change, by })
  }
  await enqueueAnnounced(res, workspace, results)
  await enqueueOpened(res, workspace, results)
  return definition
}

/** SQL of a definition's row: its settings before and after, without values of attributes. */
function changeTo(change: Partial<DefinitionDraft>): SQL {
  const { description, source, matching, refresh } = change
  const attributes = change.attributes && JSON.stringify(change.attributes)
  const ignored = change.ignoreValues && JSON.stringify(change.ignoreValues)
  const or = (to: string | null | undefined, column: SQL) =>
    to === undefined ? column : sql`${to}`
  return sql`json_object(
    'before', json_object('description', description,
      'source_user_attribute', source_user_attribute,
      'attributes', json(attributes), 'matching', matching, 'refresh', refresh),
    'after', json_object('description', ${or(description, sql`description`)},
      'source_user_attribute', ${or(source, sql`source_user_attribute`)},
      'attributes', json(${or(attributes, sql`attributes`)}),
      'matching', ${or(matching, sql`matching`)}, 'refresh', ${or(refresh, sql`refresh`)},
      'ignore_values_changed',
        json(iif(ignore_values IS ${or(ignored, sql`ignore_values`)}, 'false', 'true'))))`
}

/** Throws `limit`. */
export function checkAttributes(
  attributes: SharedAttribute[],
  { sharedAttributesMax }: Limits,
): void {
  if (attributes.length > sharedAttributesMax)
    throw new Failure({ reason: 'limit', what: 'attributes', max: sharedAttributesMax })
}
