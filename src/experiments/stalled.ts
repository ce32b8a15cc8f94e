import { sql } from 'drizzle-orm'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import type { Resources } from '../resources.ts'
import { balanceMessage, type BalanceState } from './balance.ts'

/** Enqueues stalled deletions of experiments. */
export const enqueueStalledExperiments = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-experiments',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM experiments WHERE deleted_at IS NOT NULL`,
    at: sql`deleted_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase-experiment', workspace, experiment: key }),
  })

/** Enqueues balances that nothing has moved for a while. */
export const enqueueStalledBalances = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number; state: BalanceState }>(res, {
    part: 'stalled-balances',
    columns: sql`workspace, state`,
    from: sql`FROM (
      SELECT experiment_key AS key, workspace_id AS workspace, state, updated_at
      FROM experiment_balances WHERE state <> 'complete') WHERE true`,
    at: sql`updated_at`,
    messageOf: ({ state, ...balance }) => balanceMessage(balance, state),
  })
