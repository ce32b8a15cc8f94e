import { Hono } from 'hono'
import { getBalance, requestBalance } from '../../experiments/balance.ts'
import { exportAssignments } from '../../experiments/export-assignments.ts'
import type { Http } from '../http.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/balance.ts'
import { idOf } from './wire/experiments.ts'

/** How a group falls into the variants of an experiment: in numbers, and one by one. */
export const balance = new Hono<Http>()
  .post(
    '/:experiment_id/balance',
    operation(
      'requestBalance',
      'experiments:write',
      'Count anew how the members of the group fall into the variants, also of a draft',
      { schema: wire.ShownBalance, status: 202 },
    ),
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

  .get(
    '/:experiment_id/assignments',
    operation(
      'exportAssignments',
      'experiments:read',
      'Export the members of the group and their variants as CSV: participant_id,variant',
      { csv: true },
    ),
    valid('query', wire.AssignmentsQuery),
    async (c) => {
      const { res, workspace } = c.var
      const { after, for: fileFor } = c.req.valid('query')
      const id = idOf(c)
      const file = await exportAssignments(res, workspace, id, { after, fileFor })
      return c.body(file, 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="assignments.csv"',
      })
    },
  )
