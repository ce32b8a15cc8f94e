import { sql } from 'drizzle-orm'
import type { Invocation } from '../jobs/invocation.ts'
import type { Resources } from '../resources.ts'
import { commitErasure, goOnAfter, unmoved, type Erasing } from './erasures.ts'
import { mentionsOf } from './mentions.ts'

const runsPerStep = 500

/** A recompute, with the values of its checkpoint and of its largest groups, as JSON. */
interface Run {
  key: number
  id: string
  ended: number
  cursor: string
  largest: string
}

/**
 * Takes people out of the next recomputes, as a value may be somebody's id. False also where one
 * stands at such a value and goes on: a cron comes back to it.
 */
export async function eraseFromRuns(
  res: Resources,
  erasing: Erasing,
  invocation: Invocation,
): Promise<boolean> {
  const { workspace, place, ids } = erasing
  const page = await res.databaseOf(workspace).all<Run>(sql`
    SELECT key, id, ended_at IS NOT NULL AS ended, cursor, coalesce(largest, '[]') AS largest
    FROM recompute_runs INDEXED BY recompute_runs_by_id
    WHERE workspace_id = ${workspace} AND id > ${place.after?.at ?? ''}
    ORDER BY id LIMIT ${runsPerStep}`)
  const mentions = mentionsOf(ids)
  const found = page.filter(({ cursor, largest }) => mentions(cursor) || mentions(largest))
  if (found.some(({ ended }) => ended === 0)) return false
  const rows = found.map(({ key, cursor, largest }) => [
    key,
    mentions(cursor) ? '' : cursor,
    withoutValues(largest, mentions),
  ])
  const last = page.at(-1)
  const { moved, ms } = await commitErasure(
    res,
    erasing,
    [
      sql`
      UPDATE recompute_runs SET (cursor, largest) = (SELECT value ->> 1, value ->> 2
        FROM json_each(${JSON.stringify(rows)}) WHERE value ->> 0 = recompute_runs.key)
      WHERE ${unmoved(erasing)}
        AND key IN (SELECT value ->> 0 FROM json_each(${JSON.stringify(rows)}))`,
    ],
    goOnAfter(erasing, last && { at: last.id, key: 0 }, 'answers'),
  )
  await invocation.took(ms, 0)
  return moved
}

function withoutValues(largest: string, mentions: (text: string) => boolean): string {
  const groups = JSON.parse(largest) as { value: string; users: number }[] // as recomputes write it
  return JSON.stringify(groups.filter(({ value }) => !mentions(value)))
}
