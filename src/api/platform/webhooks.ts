import { Hono } from 'hono'
import { z } from 'zod'
import { listDeliveries, listEvents, replay, retryDelivery } from '../../webhooks/history.ts'
import {
  createWebhook,
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  getWebhook,
  listWebhooks,
  rotateSecret,
  testWebhook,
  updateWebhook,
} from '../../webhooks/subscriptions.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/webhooks.ts'

/** Where a workspace's events are sent, and what came of it. */
export const webhooks = new Hono<Http>()
  .post(
    '/',
    operation(
      'createWebhook',
      'webhooks:write',
      'Have events sent to a URL; the secret is shown this once',
      wire.ShownWithSecret,
      {
        status: 201,
      },
    ),
    allows('webhooks:write'),
    jsonBody,
    valid('json', wire.WebhookChange),
    async (c) => {
      const { res, workspace, caller } = c.var
      const webhook = await createWebhook(
        res,
        workspace,
        wire.draftOf(c.req.valid('json')),
        caller.name,
      )
      c.header('Cache-Control', 'no-store')
      return c.json(wire.showWithSecret(webhook), 201)
    },
  )

  .get(
    '/',
    operation('listWebhooks', 'webhooks:read', 'All webhooks', z.array(wire.ShownWebhook)),
    allows('webhooks:read'),
    async (c) => c.json((await listWebhooks(c.var.db, c.var.workspace)).map(wire.showWebhook)),
  )

  .get(
    '/:webhook_id',
    operation('getWebhook', 'webhooks:read', 'One webhook', wire.ShownWebhook),
    allows('webhooks:read'),
    async (c) =>
      c.json(
        wire.showWebhook(await getWebhook(c.var.db, c.var.workspace, c.req.param('webhook_id'))),
      ),
  )

  .put(
    '/:webhook_id',
    operation(
      'replaceWebhook',
      'webhooks:write',
      'Replace URL, event types and description',
      wire.ShownWebhook,
    ),
    allows('webhooks:write'),
    jsonBody,
    valid('json', wire.WebhookChange),
    async (c) => {
      const { res, workspace, caller } = c.var
      const draft = wire.draftOf(c.req.valid('json'))
      return c.json(
        wire.showWebhook(
          await updateWebhook(res, workspace, c.req.param('webhook_id'), draft, caller.name),
        ),
      )
    },
  )

  .delete(
    '/:webhook_id',
    operation('deleteWebhook', 'webhooks:write', 'Delete a webhook', undefined),
    allows('webhooks:write'),
    async (c) => {
      await deleteWebhook(c.var.db, c.var.workspace, c.req.param('webhook_id'))
      return c.body(null, 204)
    },
  )

  .post(
    '/:webhook_id/enable',
    operation(
      'enableWebhook',
      'webhooks:write',
      'Send events again, those first that were on their way',
      wire.ShownWebhook,
    ),
    allows('webhooks:write'),
    async (c) =>
      c.json(
        wire.showWebhook(
          await enableWebhook(
            c.var.res,
            c.var.workspace,
            c.req.param('webhook_id'),
            c.var.caller.name,
          ),
        ),
      ),
  )

  .post(
    '/:webhook_id/disable',
    operation(
      'disableWebhook',
      'webhooks:write',
      'Send nothing until it is enabled',
      wire.ShownWebhook,
    ),
    allows('webhooks:write'),
    async (c) =>
      c.json(
        wire.showWebhook(
          await disableWebhook(
            c.var.res,
            c.var.workspace,
            c.req.param('webhook_id'),
            c.var.caller.name,
          ),
        ),
      ),
  )

  .post(
    '/:webhook_id/rotate',
    operation(
      'rotateWebhook',
      'webhooks:write',
      'A new secret, shown this once; the one before signs too for a day',
      wire.ShownWithSecret,
    ),
    allows('webhooks:write'),
    async (c) => {
      const webhook = await rotateSecret(
        c.var.res,
        c.var.workspace,
        c.req.param('webhook_id'),
        c.var.caller.name,
      )
      c.header('Cache-Control', 'no-store')
      return c.json(wire.showWithSecret(webhook))
    },
  )

  .post(
    '/:webhook_id/test',
    operation(
      'testWebhook',
      'webhooks:write',
      'Send it an event of the type webhook.test',
      wire.ShownTest,
      { status: 202 },
    ),
    allows('webhooks:write'),
    async (c) =>
      c.json(
        { event_id: await testWebhook(c.var.res, c.var.workspace, c.req.param('webhook_id')) },
        202,
      ),
  )

  .get(
    '/:webhook_id/deliveries',
    operation(
      'listDeliveries',
      'webhooks:read',
      'What it was sent, newest first, and what came of it',
      wire.ShownDeliveries,
    ),
    allows('webhooks:read'),
    valid('query', wire.DeliveriesQuery),
    async (c) => {
      const { status: state, after, size } = c.req.valid('query')
      const asked = { state, after, size }
      return c.json(
        wire.showDeliveries(
          await listDeliveries(c.var.db, c.var.workspace, c.req.param('webhook_id'), asked),
          size,
        ),
      )
    },
  )

  .post(
    '/:webhook_id/deliveries/:delivery_id/retry',
    operation('retryDelivery', 'webhooks:write', 'Send it once more, now', undefined),
    allows('webhooks:write'),
    async (c) => {
      await retryDelivery(
        c.var.res,
        c.var.workspace,
        c.req.param('webhook_id'),
        c.req.param('delivery_id'),
      )
      return c.body(null, 204)
    },
  )

  .post(
    '/:webhook_id/replay',
    operation(
      'replayWebhook',
      'webhooks:write',
      'Send the events of a time once more: those that failed, or all',
      wire.ShownReplay,
      {
        status: 202,
      },
    ),
    allows('webhooks:write'),
    jsonBody,
    valid('json', wire.Replay),
    async (c) => {
      const { res, workspace } = c.var
      const { since, until, only } = c.req.valid('json')
      const span = {
        since: Date.parse(since),
        until: until === undefined ? res.now() : Date.parse(until),
        only,
      }
      return c.json(
        { replayed: await replay(res, workspace, c.req.param('webhook_id'), span) },
        202,
      )
    },
  )

/** What has happened in a workspace, for those who would rather ask than be told. */
export const events = new Hono<Http>().get(
  '/',
  operation(
    'listEvents',
    'webhooks:read',
    'Events in the order in which they happened, kept for thirty days',
    wire.ShownEvents,
  ),
  allows('webhooks:read'),
  valid('query', wire.EventsQuery),
  async (c) =>
    c.json(
      wire.showEvents(
        await listEvents(c.var.db, c.var.workspace, {
          after: undefined,
          types: undefined,
          ...c.req.valid('query'),
        }),
      ),
    ),
)
