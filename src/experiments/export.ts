import { cellOf, type FileFor } from '../membership/csv-cell.ts'
import { exportMembers, type Lines } from '../membership/export.ts'
import type { Resources } from '../resources.ts'
import { record } from '../webhooks/announce.ts'
import { groupIn } from './balance.ts'
import { getExperiment, type WithForced } from './experiments.ts'
import { assigning } from './split.ts'
import { householdColumn } from './unit.ts'

/**
 * A CSV file of a group's members after `after` and their arms: of one revision, of the experiment
 * as it is now. The export is an event before its first byte. Throws
 * `not-found`, also for its group, and `invalid` for an experiment without one.
 */
export async function exportAssignments(
  res: Resources,
  workspace: number,
  id: string,
  from: { after: string; fileFor: FileFor },
): Promise<ReadableStream<Uint8Array>> {
  // From the primary: replicas may reach a revision at different times.
  const db = res.databaseOf(workspace)
  const experiment = await getExperiment(db, workspace, id)
  const lines = linesOf(workspace, experiment, from.fileFor)
  const { file } = await exportMembers(db, workspace, groupIn(experiment), { ...from, lines })
  const data = { experiment_id: id, what: 'assignments' as const }
  await record(res, workspace, { type: 'experiment.exported', data })
  return file
}

/** A member's arm, which is empty for those who have none. */
function linesOf(
  workspace: number,
  experiment: WithForced,
  fileFor: FileFor,
): Lines<{ household?: string | null }> {
  const assign = assigning(experiment)
  const forcedInto = new Map(
    [...experiment.forced].flatMap(([variant, ids]) => ids.map((id) => [id, variant] as const)),
  )
  const cells = new Map(experiment.variants.map(({ id }) => [id, cellOf(id, fileFor)]))
  return {
    header: 'participant_id,variant',
    columns: householdColumn(workspace, experiment.unit),
    lineOf: ({ id, household = id }) => {
      const forced = forcedInto.get(id) ?? null
      const { variant } = assign({ forced, member: true, key: household })
      return `${cellOf(id, fileFor)},${variant === undefined ? '' : cells.get(variant.id)}`
    },
  }
}
