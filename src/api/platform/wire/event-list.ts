import { z } from 'zod'
import type { EventFilter } from '../../../webhooks/event-list.ts'
import { recordOf, type PastEvent } from '../../../webhooks/record.ts'
import { pageSize } from '../../keyset.ts'
import { Time } from './values.ts'
import { EventType } from './webhooks.ts'

export const EventsQuery = z.object({
  after: z.string().optional().meta({
    description: 'The event after which the page begins; the first of the list if not given.',
  }),
  types: z
    .string()
    .transform((list) => list.split(','))
    .pipe(z.array(EventType))
    .optional()
    .meta({ description: 'Only these types, separated by commas; all if not given.' }),
  since: Time.optional().meta({ description: 'Only events of this time or later.' }),
  until: Time.optional().meta({ description: 'Only events of this time or earlier.' }),
  actor: z.string().min(1, 'must be the id of a client').optional().meta({
    description: 'Only what this client has requested, by its id.',
  }),
  object: z
    .string()
    .regex(/^[a-z]+:./s, 'must be a kind and an id, such as group:3f2a…')
    .optional()
    .meta({ description: 'Only what is about this thing: its kind, a colon, and its id.' }),
  order: z.enum(['oldest', 'newest'], 'must be oldest or newest').default('oldest').meta({
    description: 'Which events come first; a list as application/x-ndjson is oldest first.',
  }),
  size: pageSize(1000, 100),
})

/** The filter and the page of a query. */
export function filterOf({
  after,
  types,
  since,
  until,
  actor,
  object,
  order,
  size,
}: z.infer<typeof EventsQuery>): EventFilter & {
  after: string | undefined
  size: number
  newest: boolean
} {
  const colon = object?.indexOf(':') ?? 0
  return {
    after,
    types,
    since: since === undefined ? undefined : Date.parse(since),
    until: until === undefined ? undefined : Date.parse(until),
    actor,
    object:
      object === undefined
        ? undefined
        : { kind: object.slice(0, colon), id: object.slice(colon + 1) },
    size,
    newest: order === 'newest',
  }
}

export const ShownEvent = z.object({
  id: z.string(),
  type: z.string(),
  timestamp: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
  actor: z
    .object({ client_id: z.string().nullable(), name: z.string() })
    .nullable()
    .meta({ description: 'The client that requested it; without an id, the installation itself.' }),
  transaction_id: z
    .string()
    .nullable()
    .meta({ description: "The request's transactionId, or the one that it was given." }),
  object: z.object({ kind: z.string(), id: z.string() }).nullable(),
  change: z
    .object({
      before: z.record(z.string(), z.unknown()),
      after: z.record(z.string(), z.unknown()),
    })
    .nullable(),
  address_family: z.enum(['IPv4', 'IPv6']).nullable(),
  method: z.string().nullable(),
})

export const ShownEvents = z.object({
  events: z.array(ShownEvent),
  next: z
    .string()
    .nullable()
    .meta({
      description:
        'The event after which the next page begins; null at the end. A filter may leave a page ' +
        'empty that is not the last.',
    }),
})

export const showEvents = ({
  events,
  next,
}: {
  events: PastEvent[]
  next: string | null
}): z.infer<typeof ShownEvents> => ({ events: events.map(recordOf), next })

export const DigestsQuery = z.object({
  after: z.iso
    .date('must be a day such as 2026-11-24')
    .default('0000-01-01')
    .meta({ description: 'The day after which the page begins: that of the last digest before.' }),
  size: pageSize(1000, 100),
})

export const ShownDigest = z.object({
  day: z.iso.date(),
  first: z.string().nullable().meta({ description: 'The first event; null on a day without any.' }),
  last: z.string().nullable(),
  count: z.int(),
  sha256: z.string().meta({
    description: "Of the events' lines, as application/x-ndjson has them, in hexadecimal digits.",
  }),
  previous: z.string().nullable().meta({
    description: "The SHA-256 of the digest before: of its signature's text. Null for the first.",
  }),
  signature: z.string().meta({
    description:
      'A JWS (EdDSA) of the fields above and the workspace, by a key of /.well-known/jwks.json.',
  }),
})
