import { sql, type SQL } from 'drizzle-orm'
import { findErased, nobodyErased } from '../access/erased.ts'
import { personHash } from '../person-hash.ts'
import { costOf, together, type Cost, type Db, type Results } from '../db/connect.ts'
import { jsonLists } from '../db/json-lists.ts'
import { Failure } from '../failure.ts'
import type { Sender } from '../jobs/write-messages.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { columnsOf, valueOf, type Change, type StoredValue, type Value } from './attributes.ts'
import { selectSharedNames } from './definitions.ts'
import { addNewUsers, checkProfiles, forgetCleared, withinLimits } from './limits.ts'
import { enqueueMarked, markChanged } from './marks.ts'

export interface Profile {
  user: string
  createdAt: number
  updatedAt: number
  /** Own attributes, then inherited ones. */
  attributes: [name: string, value: Value][]
  groups: { definition: string; value: string }[]
}

/** Changes of a user's attributes, true since `at`, in milliseconds. */
export interface Report {
  user: string
  at: number
  /** When the request came that has it; now where nothing is said. */
  taken?: number
  changes: Change[]
}

/** Gives a user these attributes and no others. Throws `limit`. */
export function replaceUser(
  res: Resources,
  workspace: number,
  user: string,
  changes: Change[],
): Promise<Profile> {
  const report = { user, at: res.now(), changes }
  const before = clearOtherAttributes(workspace, report)
  const after = forgetCleared(workspace, [user], res.limits)
  return writeUser(res, workspace, report, { before: [before], after: [after] })
}

/** Merges attributes into those that a user has. Throws `limit`. */
export function mergeUser(
  res: Resources,
  workspace: number,
  user: string,
  changes: Change[],
): Promise<Profile> {
  return writeUser(res, workspace, { user, at: res.now(), changes })
}

/**
 * Writes reports, all or none; what is newer already, or a user deleted or erased since, stays as
 * it is. Throws `limit`.
 */
export async function recordReports(
  res: Resources,
  workspace: number,
  reports: Report[],
  senders: Sender[] = [],
): Promise<Cost> {
  const isAfter = isAfterDeletion(workspace, sql`value ->> 0`, sql`value ->> 4`)
  for (let found = nobodyErased(workspace, reports); ;) {
    const { erased, isAll } = found
    const accepted = reports.filter(({ user, at }) => at > (erased.get(user) ?? -Infinity))
    const results = await withinLimits(res.limits, () =>
      together(res.databaseOf(workspace), [
        ...reportStatements(res, workspace, accepted, sql`${isAfter} AND ${isAll}`),
        ...senders.flatMap(({ actor, items: reports }) =>
          announce(res, workspace, { type: 'users.reported', data: { reports }, actor }, isAll),
        ),
        sql`SELECT 1 WHERE ${isAll}`,
      ]),
    )
    await enqueueMarked(res, workspace, results)
    await enqueueAnnounced(res, workspace, results)
    if (results.at(-1)?.rows.length === 1) return costOf(results)
    found = await findErased(res, workspace, reports)
  }
}

/** Whether a moment comes after the deletion of a user, if any. */
export const isAfterDeletion = (workspace: number, user: SQL, at: SQL): SQL =>
  sql`NOT EXISTS (
    SELECT 1 FROM deleted_users AS gone
    WHERE gone.workspace_id = ${workspace} AND gone.user_id = ${user}
      AND gone.deleted_at >= ${at})`

/**
 * The statements that write the reports for which `isAccepted` holds. Of two of the same moment the
 * later one wins; names of inherited attributes are left out.
 */
function reportStatements(
  { limits, now }: Pick<Resources, 'limits' | 'now'>,
  workspace: number,
  reports: Report[],
  isAccepted: SQL,
): SQL[] {
  const takenNow = now()
  const usersOf = (which: (change: Change) => boolean) =>
    reports.flatMap(({ user, changes }) => (changes.some(which) ? [user] : []))
  const growing = usersOf(({ to }) => to !== null)
  const clearing = usersOf(({ to }) => to === null)
  const users = JSON.stringify(
    reports.map(({ user, at, taken = takenNow }) => [user, taken, null, null, at]),
  )
  const rows = reports.flatMap(({ user, at, changes }) =>
    changes.map(({ name, to }) => {
      const { value = null, sent = null, folded = null } = to === null ? {} : columnsOf(to)
      return JSON.stringify([user, name, value, to?.type ?? 'string', at, sent, folded])
    }),
  )
  // Most names have no colon, and so are of no definition.
  const own = reports.some(({ changes }) => changes.some(({ name }) => name.includes(':')))
    ? sql`(value ->> 2 IS NULL OR value ->> 1 NOT IN (${selectSharedNames(workspace)}))`
    : sql`true`
  return [
    sql`
    INSERT INTO users (workspace_id, user_id, created_at)
    SELECT ${workspace}, value ->> 0, value ->> 1
    FROM json_each(${users}) WHERE ${isAccepted}
    ON CONFLICT (workspace_id, user_id) DO NOTHING`,
    addNewUsers(workspace, limits),
    ...jsonLists(rows).map(
      (list) => sql`
    INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at, sent, folded)
    SELECT ${workspace}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
      value ->> 5, value ->> 6
    FROM json_each(${list}) WHERE ${isAccepted} AND ${own}
    ${keepNewest}`,
    ),
    ...markChanged(
      workspace,
      sql`SELECT value ->> 0 AS user_id, value ->> 4 AS at FROM json_each(${users})`,
      takenNow,
    ),
    ...(clearing.length === 0 ? [] : [forgetCleared(workspace, clearing, limits)]),
    ...(growing.length === 0 ? [] : [checkProfiles(workspace, growing, limits)]),
  ]
}

/** The end of a statement that writes attributes: a newer value that is there already stays. */
export const keepNewest = sql`ON CONFLICT (workspace_id, user_id, name) DO UPDATE
    SET value = excluded.value, type = excluded.type, updated_at = excluded.updated_at,
      sent = excluded.sent, folded = excluded.folded
    WHERE excluded.updated_at > updated_at OR (
      excluded.updated_at = updated_at AND (value, type, sent, folded)
        IS NOT (excluded.value, excluded.type, excluded.sent, excluded.folded))`

const clearOtherAttributes = (workspace: number, { user, at, changes }: Report) => sql`
  UPDATE user_attributes SET value = NULL, sent = NULL, folded = NULL, updated_at = ${at}
  WHERE workspace_id = ${workspace} AND user_id = ${user}
    AND value IS NOT NULL AND updated_at <= ${at} AND name NOT IN (
      SELECT value FROM json_each(${JSON.stringify(changes.map(({ name }) => name))}))`

async function writeUser(
  res: Resources,
  workspace: number,
  report: Report,
  { before, after }: { before: SQL[]; after: SQL[] } = { before: [], after: [] },
): Promise<Profile> {
  const { user, at } = report
  const data = { person_hash: personHash(res, workspace, user) }
  const all = { limits: res.limits, now: () => at }
  const statements = [
    ...before,
    ...reportStatements(all, workspace, [report], sql`true`),
    ...after,
    ...announce(res, workspace, { type: 'user.updated', data }, sql`true`),
  ]
  const results = await withinLimits(res.limits, () =>
    together(res.databaseOf(workspace), [...statements, ...profileQueries(workspace, user)]),
  )
  const read = results.slice(statements.length) as Results<ProfileQueries> // the last ones
  const profile = profileOf(user, read)
  if (profile === undefined) throw new Error('a user that was just written is missing')
  await enqueueMarked(res, workspace, results)
  await enqueueAnnounced(res, workspace, results)
  return profile
}

/** A user with own and inherited attributes, in one round trip. Throws `not-found`. */
export async function getProfile(db: Db, workspace: number, user: string): Promise<Profile> {
  const profile = profileOf(user, await together(db, profileQueries(workspace, user)))
  if (profile === undefined) throw new Failure({ reason: 'not-found', what: 'user', id: user })
  return profile
}

const profileQueries = (workspace: number, user: string) =>
  [
    sql<{
      created_at: number
    }>`SELECT created_at FROM users WHERE workspace_id = ${workspace} AND user_id = ${user}`,
    sql<OwnRow>`
  SELECT name, coalesce(sent, value) AS text, type, updated_at FROM user_attributes
  WHERE workspace_id = ${workspace} AND user_id = ${user} ORDER BY name`,
    sql<InheritedRow>`
  SELECT d.id AS definition, s.value AS in_group, a.name, a.result AS text, a.type
  FROM group_definitions AS d
    JOIN identity_members AS s ON s.definition_key = d.key AND s.user_id = ${user}
    LEFT JOIN json_each(d.attributes) AS f
    LEFT JOIN group_attributes AS a
      ON a.definition_key = d.key AND a.value = s.value AND a.name = f.value ->> 'id'
        AND a.function = f.value ->> 'type' AND a.result IS NOT NULL
  WHERE d.workspace_id = ${workspace} AND d.deleted_at IS NULL ORDER BY d.key, a.name`,
  ] as const

type ProfileQueries = ReturnType<typeof profileQueries>
type NamedValue = StoredValue & { name: string }
type OwnRow = { updated_at: number } & (NamedValue | { text: null })
type InheritedRow = { definition: string; in_group: string } & (NamedValue | { name: null })

function profileOf(
  user: string,
  [users, own, inherited]: Results<ProfileQueries>,
): Profile | undefined {
  const [row] = users.rows
  if (row === undefined) return undefined
  return {
    user,
    createdAt: row.created_at,
    updatedAt: Math.max(row.created_at, ...own.rows.map(({ updated_at }) => updated_at)),
    attributes: [
      ...own.rows.flatMap((row): [string, Value][] =>
        row.text === null ? [] : [[row.name, valueOf(row)]],
      ),
      ...inherited.rows.flatMap((row): [string, Value][] =>
        row.name === null ? [] : [[inheritedName(row.definition, row.name), valueOf(row)]],
      ),
    ],
    groups: [
      ...new Map(
        inherited.rows.map(({ definition, in_group }) => [
          definition,
          { definition, value: in_group },
        ]),
      ).values(),
    ],
  }
}

/** The name under which members inherit a shared attribute (Group Identity, "Step 2"). */
export const inheritedName = (definition: string, attribute: string) => `${definition}:${attribute}`
