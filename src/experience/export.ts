import { exportMembers } from '../membership/export.ts'
import type { FileFor } from '../membership/csv-cell.ts'
import type { Resources } from '../resources.ts'
import { record } from '../webhooks/announce.ts'

/**
 * A CSV file of a group's members after `after`. The export is an event before its first byte.
 * Throws as `exportMembers` does.
 */
export async function exportGroup(
  res: Resources,
  workspace: number,
  id: string,
  from: { after: string; fileFor: FileFor },
): Promise<ReadableStream<Uint8Array>> {
  // From the primary: replicas may reach a revision at different times.
  const { file } = await exportMembers(res.databaseOf(workspace), workspace, id, from)
  await record(res, workspace, { type: 'group.exported', data: { group_id: id } })
  return file
}
