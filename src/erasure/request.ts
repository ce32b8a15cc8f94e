import { sql, type SQL } from 'drizzle-orm'
import { personHash } from '../access/person-hash.ts'
import { together, type Result } from '../db/connect.ts'
import { notRemoving, openRemovals } from '../experience/erased-people.ts'
import { forgetUsers } from '../identity/forget.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { startNext } from '../jobs/turn.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { countRemoved, newErasureId, peopleOf, type Erasure } from './erasures.ts'

export type RequestedErasure = Pick<Erasure, 'id' | 'people' | 'personHash' | 'state' | 'createdAt'>

/**
 * Forgets a person: what was accepted before brings nobody back. The same erasure as long as one
 * of the person goes on, which then forgets what came since too.
 */
export function erasePerson(
  res: Resources,
  workspace: number,
  person: string,
  by: string,
): Promise<RequestedErasure> {
  const hash = personHash(res, workspace, person)
  const erasure = sql`(SELECT key FROM erasures INDEXED BY erasures_unended
    WHERE ended_at IS NULL AND workspace_id = ${workspace} AND person_hash = ${hash})`
  return forget(res, workspace, { people: [person], personHash: hash, erasure, by })
}

/** The same of many people. */
export function erasePeople(
  res: Resources,
  workspace: number,
  people: string[],
  by: string,
): Promise<RequestedErasure> {
  return forget(res, workspace, { people, personHash: null, by })
}

interface Request {
  people: string[]
  personHash: string | null
  /** The key of the erasure that goes on, if one does. */
  erasure?: SQL
  by: string
}

/** One batch, so that nothing that comes meanwhile is forgotten by half. */
async function forget(
  res: Resources,
  workspace: number,
  { people, personHash, by, ...given }: Request,
): Promise<RequestedErasure> {
  const db = res.databaseOf(workspace)
  const now = res.now()
  const id = newErasureId(now)
  const erasure =
    given.erasure ??
    sql`(SELECT key FROM erasures WHERE workspace_id = ${workspace} AND id = ${id})`
  const forgotten = { workspace, users: peopleOf(erasure), guard: sql`true` }
  const counted = (kind: string) => [countRemoved(erasure, kind)]
  const removal = { workspace, erasure, id, people: people.length }
  const requester = { createdBy: by, actor: res.actor }
  const data = { erasure_id: id, people: people.length, person_hash: personHash }
  const results: Result[] = await together(db, [
    sql`
    INSERT INTO erasures (id, workspace_id, people, person_hash, state, removed, actor,
      created_at, updated_at)
    SELECT ${id}, ${workspace}, ${people.length}, ${personHash}, 'waiting', '{}',
      ${JSON.stringify(res.actor)}, ${now}, ${now} WHERE ${erasure} IS NULL`,
    ...announce(res, workspace, { type: 'erasure.requested', data }),
    ...rememberPeople(res, workspace, people, erasure),
    ...(await forgetUsers(db, forgotten, now, counted)),
    openRemovals({ ...removal, by: requester }, notRemoving(erasure), now),
    sql`
    UPDATE erasures SET state = 'waiting', step = step + 1, updated_at = ${now}, place = json_object(
      'jobs', (SELECT coalesce(max(key), 0) FROM jobs), 'forgottenAt', ${now})
    WHERE key = ${erasure}`,
    sql`
    SELECT key, id, people, person_hash AS personHash, state, created_at AS createdAt
    FROM erasures WHERE key = ${erasure}`,
  ])
  const [requested] = (results.at(-1)?.rows ?? []) as (RequestedErasure & { key: number })[] // its columns
  if (requested === undefined) throw new Error('an erasure that was just requested is missing')
  await enqueueAnnounced(res, workspace, results)
  await startNext(res, workspace)
  await enqueue(res, { kind: 'erase-people', workspace, erasure: requested.key })
  return requested
}

/** The statements that keep the ids of people until they are erased, and their hashes for longer. */
function rememberPeople(res: Resources, workspace: number, people: string[], erasure: SQL): SQL[] {
  const hashes = people.map((person) => personHash(res, workspace, person))
  return [
    sql`
    INSERT INTO erasure_people (erasure_key, person_id)
    SELECT ${erasure}, value FROM json_each(${JSON.stringify(people)}) WHERE true
    ON CONFLICT DO NOTHING`,
    sql`
    INSERT INTO erased_people (workspace_id, person_hash, erased_at)
    SELECT ${workspace}, value, ${res.now()} FROM json_each(${JSON.stringify(hashes)}) WHERE true
    ON CONFLICT (workspace_id, person_hash) DO UPDATE
    SET erased_at = max(erased_at, excluded.erased_at)`,
  ]
}
