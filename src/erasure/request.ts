import { sql, type SQL } from 'drizzle-orm'
import { personHash } from '../person-hash.ts'
import { together, type Db, type Result } from '../db/connect.ts'
import { notRemoving, openRemovals } from '../experience/erased-people.ts'
import { exposuresOf, forgetParticipants } from '../experiments/forget.ts'
import { Failure } from '../failure.ts'
import { forgetUsers } from '../identity/forget.ts'
import { enqueueMarked } from '../identity/marks.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { startNext } from '../jobs/turn.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { countRemoved, newErasureId, peopleOf, type Erasure } from './erasures.ts'

export type RequestedErasure = Pick<Erasure, 'id' | 'people' | 'personHash' | 'state' | 'createdAt'>

/** Erasures of a workspace that go on at once, which each batch of an upload looks through. */
const unendedMost = 1000

/**
 * Forgets a person, whom nothing accepted before brings back, and opens the erasure that goes over
 * all else. Where one of the person goes on, it begins again instead. Throws `jobs-waiting`.
 */
export async function erasePerson(
  res: Resources,
  workspace: number,
  person: string,
  by: string,
): Promise<RequestedErasure> {
  const hash = personHash(res, workspace, person)
  for (;;) {
    const unended = await findUnended(res.databaseOf(workspace), workspace, hash)
    if (unended === undefined) await checkTakesErasure(res.databaseOf(workspace), workspace)
    const request = { people: [person], personHash: hash, unended, by }
    const requested = await forget(res, workspace, request)
    // It ended meanwhile, or another request came first.
    if (requested !== undefined) return requested
  }
}

/** The same of many people. Throws `jobs-waiting`, and `invalid` where they have too much. */
export async function erasePeople(
  res: Resources,
  workspace: number,
  people: string[],
  by: string,
): Promise<RequestedErasure> {
  await checkTakesErasure(res.databaseOf(workspace), workspace)
  await checkIsShort(res.databaseOf(workspace), workspace, people)
  const requested = await forget(res, workspace, { people, personHash: null, by })
  if (requested === undefined) throw new Error('an erasure that was just requested is missing')
  return requested
}

/** Of a workspace, or of a person: the erasures that have not ended, as the end of a SELECT. */
const unendedOf = (workspace: number, hash?: string): SQL => sql`
  FROM erasures INDEXED BY erasures_unended WHERE ended_at IS NULL AND workspace_id = ${workspace}
    ${hash === undefined ? sql`` : sql`AND person_hash = ${hash}`}`

async function findUnended(db: Db, workspace: number, hash: string): Promise<string | undefined> {
  const [found] = await db.all<{ id: string }>(sql`SELECT id ${unendedOf(workspace, hash)}`)
  return found?.id
}

/** Jobs of erasures that have not ended, of which one may open a thousand. */
const jobsMost = 10_000

async function checkTakesErasure(db: Db, workspace: number): Promise<void> {
  const { unended, jobs } = await db.get<{ unended: number; jobs: number }>(sql`
    SELECT (SELECT count(*) ${unendedOf(workspace)}) AS unended,
      (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_unended_by_workspace
        WHERE workspace_id = ${workspace} AND ended_at IS NULL AND erasure_key IS NOT NULL
        LIMIT ${jobsMost})) AS jobs`)
  if (unended >= unendedMost) throw new Failure({ reason: 'jobs-waiting', max: unendedMost })
  if (jobs >= jobsMost) throw new Failure({ reason: 'jobs-waiting', max: jobsMost })
}

/** Attributes, memberships and exposures of people who are forgotten in one batch, for which others wait. */
export const rowsMost = 25_000

async function checkIsShort(db: Db, workspace: number, people: string[]): Promise<void> {
  const list = JSON.stringify(people)
  const ids = sql`(SELECT value FROM json_each(${list}))`
  const { found } = await db.get<{ found: number }>(sql`
    SELECT count(*) AS found FROM (
      SELECT 1 FROM user_attributes WHERE workspace_id = ${workspace} AND user_id IN ${ids}
      UNION ALL SELECT 1 FROM members WHERE workspace_id = ${workspace} AND participant_id IN ${ids}
      UNION ALL SELECT 1 ${exposuresOf(workspace, sql`SELECT value AS user_id FROM json_each(${list})`)}
      LIMIT ${rowsMost + 1})`)
  // One person by itself is never too much.
  if (people.length === 1 || found <= rowsMost) return
  throw new Failure({
    reason: 'invalid',
    field: 'file',
    problem: `names people with over ${rowsMost} attributes, groups and exposures together: send fewer ids`,
  })
}

interface ErasureRequest {
  people: string[]
  personHash: string | null
  /** The id of the person's erasure that goes on, if one does. */
  unended?: string | undefined
  by: string
}

/**
 * One batch, so that nothing that comes meanwhile is forgotten by half. Undefined, and nothing is
 * changed, where the erasure `unended` has ended, or another has begun.
 */
async function forget(
  res: Resources,
  workspace: number,
  { people, personHash, unended, by }: ErasureRequest,
): Promise<RequestedErasure | undefined> {
  const db = res.databaseOf(workspace)
  const now = res.now()
  const id = unended ?? newErasureId(now)
  const erasure = sql`(SELECT key FROM erasures
    WHERE workspace_id = ${workspace} AND id = ${id} AND ended_at IS NULL)`
  const forgotten = { workspace, users: peopleOf(erasure), guard: sql`true` }
  const removal = { workspace, erasure, id, people: people.length }
  const requester = { createdBy: by, actor: res.actor }
  const results: Result[] = await together(db, [
    ...(unended === undefined ? open(res, workspace, { id, people, personHash }) : []),
    ...rememberPeople(res, workspace, { people, erasure }),
    ...(await forgetUsers(db, forgotten, now, (kind) => [countRemoved(erasure, kind)])),
    ...forgetParticipants(workspace, peopleOf(erasure), (kind) => [countRemoved(erasure, kind)]),
    openRemovals({ ...removal, requester }, notRemoving(erasure), now),
    sql`
    UPDATE erasures SET state = 'waiting', step = step + 1, updated_at = ${now}, place = json_object(
      'jobs', (SELECT coalesce(max(key), 0) FROM jobs), 'forgottenAt', ${now})
    WHERE key = ${erasure}`,
    sql`
    SELECT key, id, people, person_hash AS personHash, state, created_at AS createdAt
    FROM erasures WHERE key = ${erasure}`,
  ])
  const [requested] = (results.at(-1)?.rows ?? []) as (RequestedErasure & { key: number })[] // its columns
  if (requested === undefined) return undefined
  await enqueueMarked(res, workspace, results)
  await enqueueAnnounced(res, workspace, results)
  await startNext(res, workspace)
  await enqueue(res, { kind: 'erase-people', workspace, erasure: requested.key })
  return requested
}

/** The statements that open an erasure, unless one of the person goes on. */
function open(
  res: Resources,
  workspace: number,
  { id, people, personHash }: { id: string } & Pick<ErasureRequest, 'people' | 'personHash'>,
): SQL[] {
  const now = res.now()
  const data = { erasure_id: id, people: people.length, person_hash: personHash }
  const isFirst =
    personHash === null ? sql`true` : sql`(SELECT count(*) ${unendedOf(workspace, personHash)}) = 0`
  return [
    sql`
    INSERT INTO erasures (id, workspace_id, people, person_hash, state, removed, actor,
      created_at, updated_at)
    SELECT ${id}, ${workspace}, ${people.length}, ${personHash}, 'waiting', '{}',
      ${JSON.stringify(res.actor)}, ${now}, ${now} WHERE ${isFirst}`,
    ...announce(res, workspace, { type: 'erasure.requested', data }),
  ]
}

/** The statements that keep the ids of people until they are erased, and their hashes for longer. */
function rememberPeople(
  res: Resources,
  workspace: number,
  { people, erasure }: { people: string[]; erasure: SQL },
): SQL[] {
  const hashes = people.map((person) => personHash(res, workspace, person))
  const isOpen = sql`${erasure} IS NOT NULL`
  return [
    sql`
    INSERT INTO erasure_people (erasure_key, person_id)
    SELECT ${erasure}, value FROM json_each(${JSON.stringify(people)}) WHERE ${isOpen}
    ON CONFLICT DO NOTHING`,
    sql`
    INSERT INTO erased_people (workspace_id, person_hash, erased_at)
    SELECT ${workspace}, value, ${res.now()} FROM json_each(${JSON.stringify(hashes)})
    WHERE ${isOpen}
    ON CONFLICT (workspace_id, person_hash) DO UPDATE
    SET erased_at = max(erased_at, excluded.erased_at)`,
  ]
}
