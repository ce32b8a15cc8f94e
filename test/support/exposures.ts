import { createExperiment } from '../../src/experiments/create.ts'
import { setStatus } from '../../src/experiments/status.ts'
import { updateExperiment } from '../../src/experiments/update.ts'
import type { Resources } from '../../src/resources.ts'
import { isEmpty } from './answers.ts'
import type { Json } from './api.ts'
import { homeDb } from './databases.ts'
import type { Lab } from './experiments.ts'
import { allWritten } from './taken.ts'

/** An exposure to an experiment as it is sent. */
export const seen = (
  experiment_id: string,
  participant_id: string,
  variant: string,
  at?: string,
) => ({
  ...{ experiment_id, participant_id, variant },
  ...(at !== undefined && { at }),
})

/** Reports exposures, and waits until they are written. */
export async function reports(lab: Lab, exposures: Json[]): Promise<void> {
  await isEmpty(lab.send('POST', '/exposures', { exposures }), 202)
  await allWritten()
}

export interface StoredExposures {
  rows: Json[]
  counts: Json[]
}

/** Exposures of a workspace, and what is counted of them. */
export async function storedExposures(workspace: number): Promise<StoredExposures> {
  const [rows, counts] = await homeDb.batch<Json>([
    homeDb
      .prepare(
        `SELECT e.id, x.version, x.participant_id AS who, x.variant, x.at FROM exposures AS x
       JOIN experiments AS e ON e.key = x.experiment_key WHERE e.workspace_id = ? ORDER BY 1, 2, 3`,
      )
      .bind(workspace),
    homeDb
      .prepare(
        `SELECT e.id, c.version, c.day, c.variant, c.participants FROM exposure_counts AS c
       JOIN experiments AS e ON e.key = c.experiment_key
       WHERE e.workspace_id = ? AND c.participants <> 0 AND c.day <> '' ORDER BY 1, 2, 3, 4`,
      )
      .bind(workspace),
  ])
  return { rows: rows?.results ?? [], counts: counts?.results ?? [] }
}

const equal = (arms: string[]) => arms.map((id) => ({ id, weight: 10_000 / arms.length }))

/** A running experiment of equal variants, of which the first may be forced on some; gives its key. */
export async function staged(
  res: Resources,
  workspace: number,
  id: string,
  { arms, forced = [] }: { arms: string[]; forced?: string[] },
): Promise<number> {
  const [first, ...others] = equal(arms)
  const variants = first === undefined ? [] : [{ ...first, forced }, ...others]
  const by = 'tester'
  const { key } = await createExperiment(res, workspace, id, {
    ...{ change: { name: id, variants }, by, mayReadUsers: true },
  })
  await setStatus(res, workspace, id, { to: 'running', by })
  return key
}

/** Draws all anew. */
export const redrawn = (res: Resources, workspace: number, id: string): Promise<unknown> =>
  updateExperiment(res, workspace, id, {
    ...{ change: { newVersion: true }, by: 'tester', mayReadUsers: true },
  })
