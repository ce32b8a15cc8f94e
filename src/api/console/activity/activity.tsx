import { Hono } from 'hono'
import { listDigests } from '../../../audit/digest-list.ts'
import { eventTypes } from '../../../webhooks/event.ts'
import { objects } from '../../../webhooks/event-object.ts'
import {
  exportEvents,
  getEvent,
  listEvents,
  type EventFilter,
} from '../../../webhooks/event-list.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { DigestsQuery, EventsQuery, filterOf } from '../../platform/wire/event-list.ts'
import { recordOf } from '../../../webhooks/record.ts'
import { Event } from './event.tsx'
import { Activity } from './list.tsx'
import type { Filters } from './words.tsx'
import { Digests } from './digests.tsx'
import { refusedForm } from '../errors.tsx'
import { shaped } from '../shape.ts'

const size = 30
const digestsSize = 31
const needs = [['audit:read', 'webhooks:read']] as const

/** What was done in the workspace, by whom. */
export const activity = new Hono<Http>()
  .get('/', allows(needs), async (c) => {
    const filters = filtersIn(c.req.query())
    try {
      const { after, ...filter } = readFilters(filters)
      const query = { ...filter, after, size, newest: true }
      const { events, next } = await listEvents(c.var.replica, c.var.workspace, query)
      const isLast = events.length < size && (next === null || next === events.at(-1)?.id)
      return c.html(<Activity c={c} {...{ filters, events, next: isLast ? null : next }} />)
    } catch (error) {
      const refused = refusedForm(error, 'from', { since: 'from' })
      const page = { filters, events: [], next: null, error: refused.error }
      return c.html(<Activity c={c} {...page} />, refused.status)
    }
  })

  .get('/export', allows(needs), async (c) => {
    const { after: _, ...filter } = readFilters(filtersIn(c.req.query()))
    return c.body(await exportEvents(c.var.replica, c.var.workspace, filter), 200, {
      'Content-Type': 'application/x-ndjson',
      'Content-Disposition': 'attachment; filename="events.ndjson"',
    })
  })

  .get('/digests', allows(needs), async (c) => {
    const { after } = shaped(DigestsQuery, { after: c.req.query('after') })
    const page = { after, size: digestsSize }
    const digests = await listDigests(c.var.replica, c.var.workspace, page)
    return c.html(<Digests c={c} digests={digests} isLast={digests.length < digestsSize} />)
  })

  .get('/events/:event', allows(needs), async (c) => {
    const event = await getEvent(c.var.replica, c.var.workspace, c.req.param('event'))
    return c.html(<Event c={c} event={recordOf(event)} />)
  })

/** What was asked for, as it stands in the address; empty where nothing was. */
function filtersIn(query: Record<string, string>): Filters {
  const { kind = '', from = '', until = '', actor = '', object = '', after = '' } = query
  return { kind, from, until, actor: actor.trim(), object: object.trim(), after }
}

/** Days are those of UTC. Throws what the API throws, and for what is no day. */
function readFilters({ kind, ...filters }: Filters): EventFilter & { after: string | undefined } {
  const types = eventTypes.filter((type) => objects[type]?.[0] === kind)
  const asked = Object.entries({
    types: types.join(','),
    since: filters.from && `${filters.from}T00:00:00Z`,
    until: filters.until && `${filters.until}T23:59:59.999Z`,
    actor: filters.actor,
    object: filters.object,
    after: filters.after,
  })
  const given = asked.filter(([, text]) => text !== '')
  const {
    size: _,
    newest: __,
    ...filter
  } = filterOf(shaped(EventsQuery, Object.fromEntries(given)))
  return filter
}
