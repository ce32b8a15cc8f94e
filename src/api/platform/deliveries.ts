import { Hono, type Context } from 'hono'
import { listDeliveries, replay, retryDelivery, type Period } from '../../webhooks/history.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/webhooks.ts'

const showReplayed = async (c: Context<Http>, id: string, period: Period & { begun?: boolean }) =>
  c.json({ replayed: await replay(c.var.res, c.var.workspace, id, period) }, 202)

/** The deliveries of a webhook. */
export const deliveries = new Hono<Http>()
  .get(
    '/:webhook_id/deliveries',
    operation(
      'listDeliveries',
      'webhooks:read',
      'List the deliveries of a webhook and their attempts, newest first',
      wire.ShownDeliveries,
    ),
    valid('query', wire.DeliveriesQuery),
    async (c) => {
      const { status: state, after, size } = c.req.valid('query')
      const page = { state, after, size }
      return c.json(
        wire.showDeliveries(
          await listDeliveries(c.var.replica, c.var.workspace, c.req.param('webhook_id'), page),
          size,
        ),
      )
    },
  )

  .post(
    '/:webhook_id/deliveries/:delivery_id/retry',
    operation('retryDelivery', 'webhooks:write', 'Send an event to a webhook again, now'),
    idempotent<'delivery.retried'>((c) => c.body(null, 204)),
    async (c) => {
      const { res, workspace } = c.var
      const { webhook_id, delivery_id } = c.req.param()
      await retryDelivery(res, workspace, webhook_id, delivery_id)
      return c.body(null, 204)
    },
  )

  .post(
    '/:webhook_id/replay',
    operation(
      'replayWebhook',
      'webhooks:write',
      'Send the events of a period again: failed deliveries only, or all events',
      { schema: wire.ShownReplay, status: 202 },
    ),
    jsonBody,
    valid('json', wire.Replay),
    idempotent<'webhook.replayed'>((c, { webhook_id, ...period }) =>
      showReplayed(c, webhook_id, { ...wire.replayOf(period, c.var.res.now()), begun: true }),
    ),
    (c) => {
      const period = wire.replayOf(c.req.valid('json'), c.var.res.now())
      return showReplayed(c, c.req.param('webhook_id'), period)
    },
  )
