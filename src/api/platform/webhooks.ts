import { Hono } from 'hono'
import { z } from 'zod'
import {
  createWebhook,
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  getWebhook,
  listWebhooks,
  rotateSecret,
  updateWebhook,
} from '../../webhooks/subscriptions.ts'
import { testWebhook } from '../../webhooks/test-event.ts'
import { Failure } from '../../failure.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/webhooks.ts'

const idOf = ({ req }: { req: { param: (name: 'webhook_id') => string } }) =>
  req.param('webhook_id')

/** A secret is shown once: where that answer is lost, so is the secret. */
function refuseSecret(_: unknown, { webhook_id: id }: { webhook_id: string }): never {
  throw new Failure({ reason: 'secret-lost', what: 'webhook', id })
}

/** The webhooks of a workspace. */
export const webhooks = new Hono<Http>()
  .post(
    '/',
    operation(
      'createWebhook',
      'webhooks:write',
      'Create a webhook; its secret is shown only this once',
      { schema: wire.ShownWithSecret, status: 201 },
    ),
    jsonBody,
    valid('json', wire.WebhookChange),
    idempotent<'webhook.created'>(refuseSecret),
    async (c) => {
      const { res, workspace, caller } = c.var
      const draft = wire.draftOf(c.req.valid('json'))
      const webhook = await createWebhook(res, workspace, draft, caller.name)
      return c.json(wire.showWithSecret(webhook), 201)
    },
  )

  .get(
    '/',
    operation('listWebhooks', 'webhooks:read', 'List the webhooks', z.array(wire.ShownWebhook)),
    valid('query', wire.WebhooksQuery),
    async (c) => {
      const { replica, workspace } = c.var
      const webhooks = await listWebhooks(replica, workspace, c.req.valid('query'))
      return c.json(webhooks.map(wire.showWebhook))
    },
  )

  .get(
    '/:webhook_id',
    operation('getWebhook', 'webhooks:read', 'Get a webhook', wire.ShownWebhook),
    async (c) => c.json(wire.showWebhook(await getWebhook(c.var.db, c.var.workspace, idOf(c)))),
  )

  .put(
    '/:webhook_id',
    operation(
      'replaceWebhook',
      'webhooks:write',
      'Replace the URL, the event types and the description of a webhook',
      wire.ShownWebhook,
    ),
    jsonBody,
    valid('json', wire.WebhookChange),
    async (c) => {
      const { res, workspace, caller } = c.var
      const draft = { ...wire.draftOf(c.req.valid('json')), by: caller.name }
      return c.json(wire.showWebhook(await updateWebhook(res, workspace, idOf(c), draft)))
    },
  )

  .delete(
    '/:webhook_id',
    operation('deleteWebhook', 'webhooks:write', 'Delete a webhook'),
    async (c) => {
      await deleteWebhook(c.var.res, c.var.workspace, idOf(c))
      return c.body(null, 204)
    },
  )

  .post(
    '/:webhook_id/enable',
    operation(
      'enableWebhook',
      'webhooks:write',
      'Send events to a webhook again, pending deliveries first',
      wire.ShownWebhook,
    ),
    async (c) => {
      const { res, workspace, caller } = c.var
      return c.json(wire.showWebhook(await enableWebhook(res, workspace, idOf(c), caller.name)))
    },
  )

  .post(
    '/:webhook_id/disable',
    operation(
      'disableWebhook',
      'webhooks:write',
      'Send no events to a webhook until it is enabled',
      wire.ShownWebhook,
    ),
    async (c) => {
      const { res, workspace, caller } = c.var
      return c.json(wire.showWebhook(await disableWebhook(res, workspace, idOf(c), caller.name)))
    },
  )

  .post(
    '/:webhook_id/rotate',
    operation(
      'rotateWebhook',
      'webhooks:write',
      'Replace the secret; the new one is shown only this once, and the former also signs for a day',
      wire.ShownWithSecret,
    ),
    idempotent<'webhook.rotated'>(refuseSecret),
    async (c) => {
      const { res, workspace, caller } = c.var
      const webhook = await rotateSecret(res, workspace, idOf(c), caller.name)
      return c.json(wire.showWithSecret(webhook))
    },
  )

  .post(
    '/:webhook_id/test',
    operation(
      'testWebhook',
      'webhooks:write',
      'Send a webhook an event of type webhook.test; at most 60 an hour in a workspace',
      { schema: wire.ShownTest, status: 202 },
    ),
    idempotent<'webhook.test'>((c, { event }) => c.json({ event_id: event }, 202)),
    async (c) => c.json({ event_id: await testWebhook(c.var.res, c.var.workspace, idOf(c)) }, 202),
  )
