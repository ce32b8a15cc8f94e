import { Hono } from 'hono'
import { getBalance, requestBalance } from '../../experiments/balance.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { operation } from './describe.ts'
import * as wire from './wire/balance.ts'
import { idOf } from './wire/experiments.ts'

/** How many members of a group fall into each variant of an experiment. */
export const balance = new Hono<Http>()
  .post(
    '/:experiment_id/balance',
    operation(
      'requestBalance',
      'experiments:write',
      'Count anew how the members of the group fall into the variants, also of a draft',
      { schema: wire.ShownBalance, status: 202 },
    ),
    idempotent(),
    async (c) => {
      const { res, workspace } = c.var
      const requested = await requestBalance(res, workspace, idOf(c))
      return c.json(wire.showBalance(requested), 202)
    },
  )

  .get(
    '/:experiment_id/balance',
    operation(
      'getBalance',
      'experiments:read',
      'Get how the members of the group fall into the variants, and how likely that is',
      wire.ShownBalance,
    ),
    async (c) => {
      const { db, workspace } = c.var
      return c.json(wire.showBalance(await getBalance(db, workspace, idOf(c))))
    },
  )
