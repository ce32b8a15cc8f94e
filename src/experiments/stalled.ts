import { sql } from 'drizzle-orm'
import { enqueueStalledOf } from '../jobs/stalled.ts'
import type { Resources } from '../resources.ts'
import { balanceMessage, balancesOf, inTurn, isTurn, type BalanceState } from './balance.ts'

/** Enqueues stalled deletions of experiments. */
export const enqueueStalledExperiments = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number }>(res, {
    part: 'stalled-experiments',
    columns: sql`workspace_id AS workspace`,
    from: sql`FROM experiments WHERE deleted_at IS NOT NULL`,
    at: sql`deleted_at`,
    messageOf: ({ workspace, key }) => ({ kind: 'erase-experiment', workspace, experiment: key }),
  })

/** Enqueues balances that nothing has moved for a while: of those that wait the next, as it starts the others. */
export const enqueueStalledBalances = (res: Resources): Promise<void> =>
  enqueueStalledOf<{ workspace: number; key: number; state: BalanceState }>(res, {
    part: 'stalled-balances',
    columns: sql`workspace, state`,
    from: sql`FROM (
      SELECT experiment_key AS key, workspace_id AS workspace, state, updated_at
      FROM experiment_balances WHERE state <> 'complete') AS s WHERE true`,
    at: sql`s.updated_at`,
    isFirst: sql`(s.state = 'counting' OR ${isTurn(sql`s.workspace`, res.now())} AND NOT EXISTS (
      SELECT 1 FROM ${balancesOf(sql`s.workspace`)} AND b.state IN ('due', 'waiting')
        AND (${inTurn(sql`b`)}, b.experiment_key) < (${inTurn(sql`s`)}, s.key)))`,
    messageOf: ({ state, ...balance }) => balanceMessage(balance, state),
  })
