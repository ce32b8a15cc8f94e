import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { pruneDead, rangeEnd, type Group } from '../membership/members.ts'
import type { MessageOf } from '../messages.ts'
import type { Resources } from '../resources.ts'
import type { GroupJob } from './jobs.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { Invocation } from '../jobs/invocation.ts'
import { enqueueStalledOf } from '../jobs/stalled.ts'

const rowsFirst = 5000

/** Milliseconds after which a group that nothing changes is pruned. */
const quietAfter = 12 * 3_600_000

/** Once more rows are removed than live: each removal then shares the cost of the scan. */
export function isPruneDue({
  groupCount,
  groupRemoved,
}: Pick<GroupJob, 'groupCount' | 'groupRemoved'>): boolean {
  return groupRemoved > groupCount + 1000
}

/** Enqueues groups with dead rows that nothing has changed for twelve hours. */
export const enqueueQuietGroups = (res: Resources): Promise<void> =>
  enqueueGroups(res, 'prune-quiet', quietAfter)

/** Enqueues all groups with dead rows: some change too often to be quiet. */
export const enqueueBusyGroups = (res: Resources): Promise<void> =>
  enqueueGroups(res, 'prune-busy', 0)

const enqueueGroups = (res: Resources, part: string, unchangedFor: number): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part,
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM experience_groups INDEXED BY experience_groups_to_prune
      WHERE removed_since_prune > 0 AND deleted_at IS NULL`,
    at: sql`updated_at`,
    unmovedFor: unchangedFor,
    messageOf: ({ workspace, key }) => ({
      kind: 'prune',
      workspace,
      group: key,
      after: '',
      scheduled: true,
    }),
  })

/** Deletes the group's dead rows, but for those that the live revision has removed: it may be reverted. */
export async function pruneGroup(res: Resources, message: MessageOf<'prune'>): Promise<void> {
  const { workspace, group } = message
  const db = res.databaseOf(workspace)
  const last = await lastToPrune(db, group)
  if (last === undefined) return
  // An earlier version has sent messages that name the live revision.
  const through = Math.min(message.through ?? last, last)
  const invocation = new Invocation(res)
  let { after } = message
  while (!invocation.isOutOfTime()) {
    const rows = invocation.items(rowsFirst)
    const [bound] = await db.all<{ id: string }>(rangeEnd({ workspace, group }, after, rows))
    const prune = pruneDead({ workspace, group }, { after, upTo: bound?.id }, through)
    if (bound === undefined) {
      await together(db, [prune, countLeft({ workspace, group }, through)])
      return
    }
    const [{ meta }] = await together(db, [prune])
    await invocation.took(meta.duration, rows)
    after = bound.id
  }
  await enqueue(res, { kind: 'prune', ...message, after, through })
}

/** The last revision whose removed rows nobody needs; undefined for a group that is gone. */
async function lastToPrune(db: Db, group: number): Promise<number | undefined> {
  const [found] = await db.all<{ through: number }>(sql`
    SELECT revision - 1 AS through FROM experience_groups WHERE key = ${group}`)
  return found?.through
}

/** Counts as left what revisions after `through` and before the live one have removed. */
const countLeft = ({ workspace, group }: Group, through: number): SQL => sql`
  UPDATE experience_groups SET removed_since_prune = coalesce((
    SELECT sum(j.removed) FROM jobs AS j WHERE j.group_key = ${group}
      AND j.revision > ${through} AND j.revision < experience_groups.revision), 0)
  WHERE workspace_id = ${workspace} AND key = ${group}`
