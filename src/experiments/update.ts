import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { retried } from '../db/retried.ts'
import { stringifyJson } from '../json.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import {
  changed,
  checkMayDraw,
  eventChangeOf,
  isUnderWay,
  type Requested,
  type Settings,
} from './change.ts'
import { getExperiment, isUnchanged, modified, type WithForced } from './experiments.ts'
import { force, release } from './forced.ts'
import { checkRequirements, requirementsMet, type Requirements } from './requirements.ts'

/** Changes an experiment. Throws `not-found`, `invalid` for a field, and `forbidden`. */
export async function updateExperiment(
  res: Resources,
  workspace: number,
  id: string,
  { change, by, mayReadUsers }: Requested,
): Promise<WithForced> {
  const db = res.databaseOf(workspace)
  return retried(async () => {
    const before = await getExperiment(db, workspace, id)
    if (Object.values(change).every((field) => field === undefined)) return before
    const after = changed(before, change, res.limits.participantMax)
    checkMayDraw(before.unit === null ? after : before, mayReadUsers)
    const requirements = requirementsOf(before, after)
    const isReady = sql`${isUnchanged(before)} AND ${requirementsMet(workspace, requirements)}`
    const key = sql`SELECT e.key FROM experiments AS e WHERE ${isReady}`
    const given = change.variants
    const { layer, holdout } = after
    // The row last, as the other statements check that it is as it was read.
    const results = await together(db, [
      ...announce(
        res,
        workspace,
        {
          type: 'experiment.updated',
          data: { experiment_id: id, version: after.version },
          change: eventChangeOf(before, after),
        },
        sql`(${key}) IS NOT NULL`,
      ),
      ...(given === undefined
        ? []
        : [release(key, given, after.forced), force(key, given, after.forced)]),
      sql`
      UPDATE experiments AS e SET name = ${after.name}, description = ${after.description},
        group_id = ${after.group}, unit_definition = ${after.unit},
        variants = ${stringifyJson(after.variants)}, control = ${after.control},
        traffic = ${after.traffic}, layer_id = ${layer?.id ?? null},
        layer_from = ${layer?.from ?? null}, layer_to = ${layer?.to ?? null},
        holdout_id = ${holdout?.id ?? null}, holdout_share = ${holdout?.share ?? null},
        version = ${after.version}, ${modified(res.now(), by)}
      WHERE ${isReady}`,
    ])
    if (results.at(-1)?.changes === 0) {
      await checkRequirements(db, workspace, requirements)
      return undefined
    }
    await enqueueAnnounced(res, workspace, results)
    return getExperiment(db, workspace, id)
  })
}

/** What must be met now: of a draft what it newly names; of an ended one nothing, as it cannot change. */
function requirementsOf(before: Settings, after: Settings): Requirements {
  const { id, group, unit, layer, holdout } = after
  if (isUnderWay(after)) return { id, group, unit, layer, holdout }
  return {
    ...{ id, layer: null, holdout: null },
    group: group === before.group ? null : group,
    unit: unit === before.unit ? null : unit,
  }
}
