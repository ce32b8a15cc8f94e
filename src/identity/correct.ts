import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure, invalid } from '../failure.ts'
import { personHash } from '../person-hash.ts'
import type { Resources } from '../resources.ts'
import { canonical, foldedBeyondAscii } from '../text.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import type { Event } from '../webhooks/event.ts'
import { hasCorrections } from './corrected.ts'
import {
  findCorrection,
  newUnshownValue,
  type Correction,
  type CorrectionRow,
} from './corrections.ts'
import { getDefinition, type GroupDefinition } from './definitions.ts'
import { enqueueMarked, markGroups, placesOf, selectUnmarked } from './marks.ts'
import { groupValue } from './matching.ts'
import { isNoValue, noValues } from './no-value.ts'
import { resolveUsers } from './resolve.ts'
import { enqueueRuns, voidReads } from './turn.ts'

/** What each of some users has instead of the value of the source attribute. */
export interface Corrected {
  users: string[]
  correction: Correction
  reason: string | null
}

/** Corrections of a definition: each range of a recompute may read all of them. */
const correctionsMost = 10_000

/**
 * Says where a user belongs; the groups that this touches are formed anew within seconds. Throws
 * `not-found`, `invalid` and `limit`.
 */
export async function correct(
  res: Resources,
  workspace: number,
  definitionId: string,
  { user, ...said }: Omit<Corrected, 'users'> & { user: string },
): Promise<CorrectionRow> {
  const db = res.databaseOf(workspace)
  const definition = await getDefinition(db, workspace, definitionId)
  checkValue(definition, said.correction)
  const event = {
    type: 'correction.created',
    data: { definition_id: definition.id, person_hash: personHash(res, workspace, user) },
  } as const
  const corrected = { ...said, users: [user] }
  if (!(await writeCorrections(res, definition, { corrected, event, guard: sql`true` })))
    throw await refusalOf(db, definition, { user, correction: said.correction })
  const written = await findCorrection(db, definition, user)
  // Somebody has taken it back since.
  if (written === undefined)
    throw new Failure({ reason: 'not-found', what: 'correction', id: user })
  return written
}

/** Throws `invalid` for a value that counts as none. */
export function checkValue(definition: GroupDefinition, correction: Correction): void {
  const { matching, ignoreValues } = definition
  if (!('value' in correction)) return
  const value = groupValue(correction.value, matching)
  if (isNoValue(value, noValues(ignoreValues, matching !== null)))
    throw invalid('value', 'counts as no value')
}

interface Written {
  corrected: Corrected
  event: Event
  guard: SQL
}

/**
 * Writes the corrections of all users, or of none where one is refused, and marks the groups that
 * they touch: one batch. Gives whether they are written.
 */
export async function writeCorrections(
  res: Resources,
  definition: GroupDefinition,
  { corrected, event, guard }: Written,
): Promise<boolean> {
  const { key, workspace } = definition
  const users = JSON.stringify(corrected.users)
  const insert = insertCorrections(res, definition, corrected, guard)
  const results = await together(res.databaseOf(workspace), [
    // Runs that know of no correction must not undo the first one.
    voidReads(workspace, sql`${hasCorrections(key)} = 0`),
    insert,
    ...announce(res, workspace, event),
    ...follow(key, sql`SELECT value AS user_id FROM json_each(${users})`, res.now()),
  ])
  await enqueueRuns(res, results[0].rows)
  await enqueueMarked(res, workspace, results)
  await enqueueAnnounced(res, workspace, results)
  return results[1].changes > 0
}

/** The statements that follow a change of users' corrections: who follows them does, and groups are marked. */
const follow = (key: number, users: SQL, now: number): SQL[] => [
  resolveUsers(key, users),
  selectUnmarked(sql`d.key = ${key}`),
  markGroups(
    placesOf(sql`
      SELECT ${key} AS key, user_id, 1 AS always FROM (${users})
      UNION SELECT c.definition_key, c.user_id, 1
      FROM group_corrections AS c INDEXED BY group_corrections_by_other
      WHERE c.definition_key = ${key} AND c.other_user_id IN (${users})`),
    now,
  ),
]

function insertCorrections(
  { now, actor }: Resources,
  { key, workspace }: GroupDefinition,
  { users, correction, reason }: Corrected,
  guard: SQL,
): SQL {
  const list = JSON.stringify(users)
  const [kind] = Object.keys(correction) as [CorrectionRow['kind']] // as the type says
  const other = 'with' in correction ? correction.with : null
  const text = 'value' in correction ? correction.value : null
  const columns = sql`${kind}, ${other}, ${text === null ? null : canonical(text)},
    ${text === null ? null : foldedBeyondAscii(text)}, ${kind === 'alone' ? newUnshownValue() : null}`
  const allowed = sql`NOT EXISTS (
    SELECT 1 FROM json_each(${list}) AS p WHERE ${isRefused(key, workspace, { kind, other })})`
  const count = sql`(SELECT count(*) FROM group_corrections
    WHERE definition_key = ${key} AND user_id > '' AND user_id NOT IN (
      SELECT value FROM json_each(${list})))`
  return sql`
    INSERT INTO group_corrections (definition_key, user_id, kind, other_user_id, text, folded, value,
      reason, actor, created_on)
    SELECT ${key}, value, ${columns}, ${reason}, ${JSON.stringify(actor)}, ${now()}
    FROM json_each(${list})
    WHERE ${allowed} AND ${count} + ${users.length} <= ${correctionsMost} AND ${guard}
      AND (SELECT deleted_at IS NULL FROM group_definitions WHERE key = ${key})
    ON CONFLICT (definition_key, user_id) DO UPDATE
    SET kind = excluded.kind, other_user_id = excluded.other_user_id, text = excluded.text,
      folded = excluded.folded, value = iif(kind = 'alone' AND excluded.kind = 'alone', value,
      excluded.value), reason = excluded.reason, actor = excluded.actor,
      created_on = excluded.created_on`
}

const isUser = (workspace: number, user: SQL) => sql`EXISTS (SELECT 1 FROM users AS u
  WHERE u.workspace_id = ${workspace} AND u.user_id = ${user})`

const isFollowed = (key: number, user: SQL) => sql`EXISTS (
  SELECT 1 FROM group_corrections AS f INDEXED BY group_corrections_by_other
  WHERE f.definition_key = ${key} AND f.other_user_id = ${user})`

/** Whether a user may not be followed: who follows somebody, and who is alone. */
const isNotToBeFollowed = (
  key: number,
  user: SQL,
) => sql`EXISTS (SELECT 1 FROM group_corrections AS o
  WHERE o.definition_key = ${key} AND o.user_id = ${user} AND o.kind <> 'value')`

/** Whether the correction of a user `p.value` is refused: see `refusalOf`. */
function isRefused(
  key: number,
  workspace: number,
  { kind, other }: { kind: CorrectionRow['kind']; other: string | null },
): SQL {
  const user = sql.raw('p.value')
  const isUnknown = sql`NOT ${isUser(workspace, user)}`
  if (kind === 'value') return isUnknown
  const followed = sql`${isUnknown} OR ${isFollowed(key, user)}`
  return other === null
    ? followed
    : sql`${followed} OR ${user} = ${other} OR NOT ${isUser(workspace, sql`${other}`)}
      OR ${isNotToBeFollowed(key, sql`${other}`)}`
}

/** Why a correction was not written. */
async function refusalOf(
  db: Db,
  { key, workspace, id }: GroupDefinition,
  { user, correction }: { user: string; correction: Correction },
): Promise<Failure> {
  const other = 'with' in correction ? correction.with : user
  const facts = await db.get<Record<'user' | 'followed' | 'other' | 'bound', number>>(sql`
    SELECT ${isUser(workspace, sql`${user}`)} AS user, ${isFollowed(key, sql`${user}`)} AS followed,
      ${isUser(workspace, sql`${other}`)} AS other, ${isNotToBeFollowed(key, sql`${other}`)} AS bound`)
  if (facts.user === 0) return new Failure({ reason: 'not-found', what: 'user', id: user })
  if (facts.followed === 1 && !('value' in correction))
    return invalid(
      Object.keys(correction)[0] ?? '',
      'cannot be said of a user whom others are with',
    )
  if ('with' in correction) {
    if (other === user) return invalid('with', 'must be another user')
    if (facts.other === 0) return invalid('with', 'must be a user')
    if (facts.bound === 1) return invalid('with', 'cannot be a user who is with another, or alone')
  }
  return (await isLiveStill(db, key))
    ? new Failure({ reason: 'limit', what: 'corrections', max: correctionsMost })
    : new Failure({ reason: 'not-found', what: 'definition', id })
}

async function isLiveStill(db: Db, key: number): Promise<boolean> {
  const found = await db.all(
    sql`SELECT 1 FROM group_definitions WHERE key = ${key} AND deleted_at IS NULL`,
  )
  return found.length > 0
}

/** Takes a correction back: the user belongs where the attribute says. Throws `not-found`. */
export async function takeBack(
  res: Resources,
  workspace: number,
  definitionId: string,
  user: string,
): Promise<void> {
  const db = res.databaseOf(workspace)
  const { key, id } = await getDefinition(db, workspace, definitionId)
  const data = { definition_id: id, person_hash: personHash(res, workspace, user) }
  const results = await together(db, [
    sql`DELETE FROM group_corrections WHERE definition_key = ${key} AND user_id = ${user}`,
    ...announce(res, workspace, { type: 'correction.deleted', data }),
    ...follow(key, sql`SELECT ${user} AS user_id`, res.now()),
  ])
  if (results[0].changes === 0)
    throw new Failure({ reason: 'not-found', what: 'correction', id: user })
  await enqueueMarked(res, workspace, results)
  await enqueueAnnounced(res, workspace, results)
}
