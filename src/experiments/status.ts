import { sql, type SQL } from 'drizzle-orm'
import { together } from '../db/connect.ts'
import { retried } from '../db/retried.ts'
import type { ExperimentStatus } from '../db/schema.ts'
import { invalid } from '../failure.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced, type Announcement } from '../webhooks/announce.ts'
import { balanceMessage, requestBalances } from './balance.ts'
import { getExperiment, isUnchanged, modified, type WithForced } from './experiments.ts'
import { checkRequirements, requirementsMet } from './requirements.ts'

/** What a client may set. */
export type NextStatus = Exclude<ExperimentStatus, 'draft'>

const nextStatuses: Record<ExperimentStatus, readonly NextStatus[]> = {
  draft: ['running'],
  running: ['paused', 'ended'],
  paused: ['running', 'ended'],
  ended: [],
}

/**
 * Starts, pauses or ends an experiment, and leaves it as it is where it has that status already. A
 * start opens its balance. `by` names the client. Throws `not-found`, `invalid` where its status does
 * not allow it, and, at a start, for a requirement that is not met.
 */
export async function setStatus(
  res: Resources,
  workspace: number,
  id: string,
  { to, by }: { to: NextStatus; by: string },
): Promise<WithForced> {
  const db = res.databaseOf(workspace)
  return retried(async () => {
    const before = await getExperiment(db, workspace, id)
    if (before.status === to) return before
    if (!nextStatuses[before.status].includes(to)) throw refusalOf(before.status, to)
    const isReady = to === 'running' ? requirementsMet(workspace, before) : sql`true`
    const results = await together(db, [
      sql`
      UPDATE experiments AS e SET status = ${to}, ${modified(res.now(), by)}
      WHERE ${isUnchanged(before)} AND ${isReady}`,
      ...announce(res, workspace, eventOf(before, to)),
      ...(to === 'running' ? [requestBalances(isRunning(before), 'waiting', res.now())] : []),
    ])
    if (results[0].changes === 0) {
      if (to === 'running') await checkRequirements(db, workspace, before)
      return undefined
    }
    await enqueueAnnounced(res, workspace, results)
    if (to === 'running' && before.group !== null)
      await enqueue(res, balanceMessage({ workspace, key: before.key }, 'waiting'))
    return getExperiment(db, workspace, id)
  })
}

const isRunning = ({ key }: WithForced): SQL => sql`e.key = ${key} AND e.status = 'running'`

function eventOf({ id, version, status }: WithForced, to: NextStatus): Announcement {
  const change = { before: { status }, after: { status: to } }
  const data = { experiment_id: id }
  switch (to) {
    case 'running':
      return { type: 'experiment.started', data: { ...data, version }, change }
    case 'paused':
      return { type: 'experiment.paused', data, change }
    case 'ended':
      return { type: 'experiment.ended', data, change }
  }
}

const verbs = { running: 'started', paused: 'paused', ended: 'ended' } as const

const refusalOf = (status: ExperimentStatus, to: NextStatus) =>
  invalid(
    'status',
    status === 'ended'
      ? `is ended: an experiment that has ended cannot be ${verbs[to]}`
      : `is ${status}: only an experiment that was started can be ${verbs[to]}`,
  )
