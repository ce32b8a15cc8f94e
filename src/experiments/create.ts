import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { retried } from '../db/retried.ts'
import { isNoExperiment, isNoGroupName } from '../db/uses.ts'
import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { blank, changed, checkMayDraw, type Requested, type Settings } from './change.ts'
import { experimentsOf, getExperiment, type WithForced } from './experiments.ts'
import { force } from './forced.ts'
import { checkRequirements, requirementsMet } from './requirements.ts'

/**
 * Creates an experiment as a draft. Throws `taken` where an experiment has
 * the id, or a group its name, `limit`, `invalid` for a field, and `forbidden`.
 */
export async function createExperiment(
  res: Resources,
  workspace: number,
  id: string,
  { change: draft, by, mayReadUsers }: Requested,
): Promise<WithForced> {
  const made = changed(blank(id), draft, res.limits.participantMax)
  checkMayDraw(made, mayReadUsers)
  const db = res.databaseOf(workspace)
  const { experimentsMax: max } = res.limits
  const { count, isNew, isNoGroup, requirements } = conditionsOf(workspace, made)
  const mayBeCreated = sql`${count} < ${max} AND ${isNew} AND ${isNoGroup}
    AND ${requirementsMet(workspace, requirements)}`
  const key = sql`SELECT e.key FROM ${experimentsOf(workspace)} AND e.id = ${id} AND changes() > 0`
  return retried(async () => {
    // The statements themselves check, so that no other request can come between.
    const results = await together(db, [
      ...announce(
        res,
        workspace,
        { type: 'experiment.created', data: { experiment_id: id } },
        mayBeCreated,
      ),
      insert(workspace, made, { at: res.now(), by, guard: mayBeCreated }),
      force(key, draft.variants ?? [], made.forced),
    ])
    if (results.at(-2)?.changes === 0) {
      await checkConditions(db, workspace, made, max)
      return undefined
    }
    await enqueueAnnounced(res, workspace, results)
    return getExperiment(db, workspace, id)
  })
}

/** What must hold for an experiment to be created. */
const conditionsOf = (workspace: number, { id, group, unit }: Settings) => ({
  count: sql`(SELECT count(*) FROM ${experimentsOf(workspace)})`,
  isNew: isNoExperiment(workspace, id),
  isNoGroup: isNoGroupName(workspace, id),
  // Layer and holdout are checked once it starts.
  requirements: { id, group, unit, layer: null, holdout: null },
})

/** Throws for the first condition that does not hold. */
async function checkConditions(
  db: Db,
  workspace: number,
  made: Settings,
  max: number,
): Promise<void> {
  const { count, isNew, isNoGroup, requirements } = conditionsOf(workspace, made)
  const name = made.id
  const [found] = await db.all<{ count: number; isNew: number; isNoGroup: number }>(
    sql`SELECT ${count} AS count, ${isNew} AS isNew, ${isNoGroup} AS isNoGroup`,
  )
  if (found?.isNew === 0) throw new Failure({ reason: 'taken', what: 'experiment', name })
  if (found?.isNoGroup === 0) throw new Failure({ reason: 'taken', what: 'group', name })
  await checkRequirements(db, workspace, requirements)
  if (found !== undefined && found.count >= max)
    throw new Failure({ reason: 'limit', what: 'experiments', max })
}

function insert(
  workspace: number,
  { layer, holdout, ...made }: Settings,
  { at, by, guard }: { at: number; by: string; guard: SQL },
): SQL {
  return sql`
  INSERT INTO experiments (workspace_id, id, name, description, group_id, unit_definition,
    variants, control, traffic, layer_id, layer_from, layer_to, holdout_id, holdout_share,
    status, version, created_on, created_by, last_modified_on, last_modified_by)
  SELECT ${workspace}, ${made.id}, ${made.name}, ${made.description}, ${made.group}, ${made.unit},
    ${stringifyJson(made.variants)}, ${made.control}, ${made.traffic},
    ${layer?.id ?? null}, ${layer?.from ?? null}, ${layer?.to ?? null},
    ${holdout?.id ?? null}, ${holdout?.share ?? null},
    ${made.status}, ${made.version}, ${at}, ${by}, ${at}, ${by}
  WHERE ${guard}`
}
