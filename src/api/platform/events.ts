import { Hono } from 'hono'
import { z } from 'zod'
import { listDigests } from '../../audit/digest-list.ts'
import { exportEvents, listEvents } from '../../webhooks/event-list.ts'
import { acceptsLines } from '../describe.ts'
import type { Http } from '../http.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/event-list.ts'

/** The events of a workspace, for clients that poll and for auditors. */
export const events = new Hono<Http>()
  .get(
    '/',
    operation(
      'listEvents',
      [['audit:read', 'webhooks:read']],
      'List what was done, a page at a time; as application/x-ndjson, all of it',
      { schema: wire.ShownEvents, lines: true },
    ),
    valid('query', wire.EventsQuery),
    async (c, next) => {
      if (!acceptsLines(c.req.header('accept'))) return next()
      const { size: _, newest: __, ...query } = wire.filterOf(c.req.valid('query'))
      return c.body(await exportEvents(c.var.replica, c.var.workspace, query), 200, {
        'Content-Type': 'application/x-ndjson',
        'Content-Disposition': 'attachment; filename="events.ndjson"',
      })
    },
    async (c) => {
      const query = wire.filterOf(c.req.valid('query'))
      return c.json(wire.showEvents(await listEvents(c.var.replica, c.var.workspace, query)))
    },
  )

  .get(
    '/digests',
    operation(
      'listDigests',
      [['audit:read', 'webhooks:read']],
      'List the signed digests of the events of each day, oldest first',
      z.array(wire.ShownDigest),
    ),
    valid('query', wire.DigestsQuery),
    async (c) => c.json(await listDigests(c.var.replica, c.var.workspace, c.req.valid('query'))),
  )
