import { sql } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from '../webhooks/announce.ts'
import { fitOfExposed, type Exposed } from './exposure-counts.ts'

/**
 * Writes an event of each version whose weights do not explain its exposures: one, also where calls
 * repeat or meet.
 */
export async function announceImbalanced(
  res: Resources,
  workspace: number,
  exposed: Exposed[],
): Promise<void> {
  for (const one of exposed) {
    const { p, srm } = fitOfExposed(one, res.limits)
    if (srm) await announceOne(res, workspace, one, p)
  }
}

async function announceOne(
  res: Resources,
  workspace: number,
  { key, id, version, variants }: Exposed,
  p: number,
): Promise<void> {
  const counts = Object.fromEntries(variants.map(({ id, observed }) => [id, observed]))
  const data = { experiment_id: id, version, observed: counts, p }
  const results = await together(res.databaseOf(workspace), [
    sql`
    UPDATE experiments SET imbalanced_version = ${version}
    WHERE key = ${key} AND workspace_id = ${workspace} AND deleted_at IS NULL
      AND version = ${version} AND coalesce(imbalanced_version, 0) < ${version}`,
    ...announce(res, workspace, { type: 'experiment.imbalanced', data }),
  ])
  await enqueueAnnounced(res, workspace, results)
}
