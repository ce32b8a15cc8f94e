import { sql, type SQL } from 'drizzle-orm'
import { findErased, nobodyErased } from '../access/erased.ts'
import { personHash } from '../person-hash.ts'
import { costOf, together, type Cost, type Db, type Results } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { Sender } from '../jobs/write-messages.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { valueOf, type Change, type StoredValue, type Value } from './attributes.ts'
import { correctionOf, type Correction, type CorrectionRow } from './corrections.ts'
import { forgetCleared, withinLimits } from './limits.ts'
import { enqueueMarked } from './marks.ts'
import { isAfterDeletion, reportStatements, type Report } from './write-reports.ts'

export interface Profile {
  user: string
  createdAt: number
  updatedAt: number
  /** Own attributes, then inherited ones. */
  attributes: [name: string, value: Value][]
  groups: { definition: string; value: string; correction: Correction | null }[]
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
  SELECT d.id AS definition, s.value AS in_group, a.name, a.result AS text, a.type,
    c.kind, c.other_user_id AS other, c.text AS corrected
  FROM group_definitions AS d
    JOIN identity_members AS s ON s.definition_key = d.key AND s.user_id = ${user}
    LEFT JOIN group_corrections AS c ON c.definition_key = d.key AND c.user_id = s.user_id
    LEFT JOIN json_each(d.attributes) AS f
    LEFT JOIN group_attributes AS a
      ON a.definition_key = d.key AND a.value = s.value AND a.name = f.value ->> 'id'
        AND a.function = f.value ->> 'type' AND a.result IS NOT NULL
  WHERE d.workspace_id = ${workspace} AND d.deleted_at IS NULL ORDER BY d.key, a.name`,
  ] as const

type ProfileQueries = ReturnType<typeof profileQueries>
type NamedValue = StoredValue & { name: string }
type OwnRow = { updated_at: number } & (NamedValue | { text: null })
type InheritedRow = { definition: string; in_group: string; corrected: string | null } & Pick<
  CorrectionRow,
  'other'
> & { kind: CorrectionRow['kind'] | null } & (NamedValue | { name: null })

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
        inherited.rows.map(({ definition, in_group: value, kind, other, corrected: text }) => {
          const correction = kind === null ? null : correctionOf({ kind, other, text })
          return [definition, { definition, value, correction }]
        }),
      ).values(),
    ],
  }
}

/** The name under which members inherit a shared attribute (Group Identity, "Step 2"). */
export const inheritedName = (definition: string, attribute: string) => `${definition}:${attribute}`
