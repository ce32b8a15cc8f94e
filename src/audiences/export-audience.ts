import type { FileFor } from '../membership/csv-cell.ts'
import type { Resources } from '../resources.ts'
import { record } from '../webhooks/announce.ts'
import { checkCost } from './cost.ts'
import { exportUsers } from './export.ts'
import { resolveAudience } from './resolve.ts'

/**
 * A CSV file of an audience's users after `after`. The export is an event before its first byte.
 * Throws `not-found` and `rule-refused`.
 */
export async function exportAudience(
  res: Resources,
  workspace: number,
  id: string,
  from: { after: string; fileFor: FileFor },
): Promise<ReadableStream<Uint8Array>> {
  const replica = res.replicaOf(workspace)
  const resolved = await resolveAudience(replica, workspace, id)
  checkCost(resolved.rule, res.limits)
  await record(res, workspace, { type: 'audience.exported', data: { audience_id: id } })
  return exportUsers(replica, workspace, resolved, { ...from, allowed: res.limits })
}
