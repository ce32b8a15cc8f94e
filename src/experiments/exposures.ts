import { sql, type SQL } from 'drizzle-orm'
import { findErased, nobodyErased } from '../access/erased.ts'
import { costOf, together, type Cost, type Results } from '../db/connect.ts'
import { jsonLists } from '../db/json-lists.ts'
import { sendersOf, writeMessages, type Sender } from '../jobs/write-messages.ts'
import { forMessages, type ExposuresMessage, type SentExposure } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { addCounts, dayOf, exposedOf, exposedQueries } from './exposure-counts.ts'
import { isOf } from './experiments.ts'
import { announceImbalanced } from './imbalanced.ts'
import { resolveExposures, type Exposure } from './resolve-exposures.ts'

/**
 * Takes exposures, all or none, to be written soon. What does not fit into one call of the queue is
 * written at once, all or none too. Throws `invalid` with the field of the first that is refused.
 */
export async function takeExposures(
  res: Resources,
  workspace: number,
  exposures: Exposure[],
): Promise<void> {
  const sent = await resolveExposures(res, workspace, exposures)
  const messages = forMessages(sent)
  const { actor: by } = res
  if (messages === undefined)
    await recordExposures(res, workspace, sent, [{ actor: by, items: sent.length }])
  else
    await res.events.sendBatch(
      messages.map((exposures) => ({
        body: { kind: 'exposures', workspace, taken: res.now(), exposures, by },
      })),
    )
}

/** Writes messages of exposures, as `writeMessages` says. */
export const writeExposures = (
  res: Resources,
  messages: ExposuresMessage[],
): Promise<Map<ExposuresMessage, unknown>> =>
  writeMessages(res, messages, {
    // Each is looked up, and written.
    rowsOf: (message) => 2 * exposuresOf(message).length,
    write: async (res, workspace, messages) => {
      const exposures = messages.flatMap(exposuresOf)
      const senders = sendersOf(res, messages, ({ exposures }) => exposures.length)
      const cost = await recordExposures(res, workspace, exposures, senders)
      return { cost, counts: { exposures: exposures.length } }
    },
  })

/** Throws where they are no list, as in a message of another version. */
const exposuresOf = ({ exposures }: ExposuresMessage): SentExposure[] => [...exposures.values()]

/**
 * Writes exposures, all or none: of a participant and a version the first that is written counts. Left
 * out are people who were erased since, and testers, on whom a variant is forced.
 */
async function recordExposures(
  res: Resources,
  workspace: number,
  exposures: SentExposure[],
  senders: Sender[],
): Promise<Cost> {
  const db = res.databaseOf(workspace)
  const people = exposures.map(({ participant, at }) => ({ user: participant, at }))
  const keys = JSON.stringify([...new Set(exposures.map(({ experiment }) => experiment))])
  const unannounced = exposedQueries(sql`e.key IN (SELECT value FROM json_each(${keys}))
    AND ${isOf(workspace)} AND coalesce(e.imbalanced_version, 0) < e.version`)
  for (let found = nobodyErased(workspace, people); ;) {
    const { erased, isAll } = found
    const rows = firstOf(
      exposures.filter(({ participant, at }) => at > (erased.get(participant) ?? -Infinity)),
    ).map(({ experiment, participant, version, variant, at }) =>
      JSON.stringify([experiment, participant, version, variant, at]),
    )
    const results = await together(db, [
      ...jsonLists(rows).flatMap((list) => writeRows(workspace, list, isAll)),
      ...senders.flatMap(({ actor, items }) =>
        announce(
          res,
          workspace,
          { type: 'exposures.reported', data: { exposures: items }, actor },
          isAll,
        ),
      ),
      sql`SELECT 1 WHERE ${isAll}`,
      ...unannounced,
    ])
    await enqueueAnnounced(res, workspace, results)
    const [written, ...exposed] = results.slice(-3) as Results<[SQL, ...typeof unannounced]> // the last
    await announceImbalanced(res, workspace, exposedOf(exposed))
    if (written.rows.length === 1) return costOf(results)
    found = await findErased(res, workspace, people)
  }
}

/** The earliest of each participant and version, sorted so that they are written quickly. */
function firstOf(exposures: SentExposure[]): SentExposure[] {
  const first = new Map<string, SentExposure>()
  for (const one of exposures) {
    const { experiment, version, participant, at } = one
    const key = `${experiment} ${version} ${participant}`
    if (at < (first.get(key)?.at ?? Infinity)) first.set(key, one)
  }
  return [...first.values()].sort(inOrder)
}

const inOrder = (a: SentExposure, b: SentExposure): number =>
  a.experiment - b.experiment || (a.participant < b.participant ? -1 : 1)

/** The statements that write a list of exposures, of which none is there twice, and count the new. */
function writeRows(workspace: number, list: string, isAccepted: SQL): SQL[] {
  const accepted = sql`
    FROM json_each(${list}) AS x CROSS JOIN experiments AS e ON e.key = x.value ->> 0
    WHERE ${isOf(workspace)} AND ${isAccepted} AND NOT EXISTS (
      SELECT 1 FROM experiment_forced AS f
      WHERE f.experiment_key = e.key AND f.participant_id = x.value ->> 1)`
  return [
    addCounts(sql`
    SELECT e.key AS experiment, x.value ->> 2 AS version, ${dayOf(sql`(x.value ->> 4)`)} AS day,
      x.value ->> 3 AS variant, count(*) AS participants ${accepted}
      AND NOT EXISTS (SELECT 1 FROM exposures AS seen
        WHERE seen.experiment_key = e.key AND seen.participant_id = x.value ->> 1
          AND seen.version = x.value ->> 2)
    GROUP BY 1, 2, 3, 4`),
    sql`
    INSERT INTO exposures (experiment_key, participant_id, version, variant, at)
    SELECT e.key, x.value ->> 1, x.value ->> 2, x.value ->> 3, x.value ->> 4 ${accepted}
    ON CONFLICT (experiment_key, participant_id, version) DO NOTHING`,
  ]
}
