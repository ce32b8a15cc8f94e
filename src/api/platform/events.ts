import { Hono } from 'hono'
import { listEvents } from '../../webhooks/history.ts'
import type { Http } from '../http.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/webhooks.ts'

/** The events of a workspace, for clients that poll. */
export const events = new Hono<Http>().get(
  '/',
  operation(
    'listEvents',
    [['audit:read', 'webhooks:read']],
    'List the events of the last thirty days, oldest first',
    wire.ShownEvents,
  ),
  valid('query', wire.EventsQuery),
  async (c) => {
    const { after, types, size } = c.req.valid('query')
    return c.json(
      wire.showEvents(await listEvents(c.var.replica, c.var.workspace, { after, types, size })),
    )
  },
)
