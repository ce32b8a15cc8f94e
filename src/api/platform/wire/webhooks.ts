import { z } from 'zod'
import { deliveryStates, eventTypes, usualTypes } from '../../../webhooks/event.ts'
import type { Delivery } from '../../../webhooks/history.ts'
import type { Subscription, SubscriptionDraft } from '../../../webhooks/subscriptions.ts'
import { KeysetQuery, pageSize } from '../../keyset.ts'
import { Description } from '../../name.ts'
import { date, dateOrNull, Time } from './values.ts'

export const EventType = z.enum(eventTypes, `must be one of ${eventTypes.join(', ')}`)

export const WebhookChange = z.object({
  url: z
    .string('must be a URL')
    .meta({ description: 'An https URL with a public host name, on port 443 or 8443.' }),
  event_types: z
    .array(EventType)
    .min(1, 'must name at least one')
    .nullish()
    .meta({ description: `If not given: ${usualTypes.join(', ')}.` }),
  description: Description,
})

export const draftOf = ({
  url,
  event_types,
  description,
}: z.infer<typeof WebhookChange>): SubscriptionDraft => ({
  url,
  description: description ?? '',
  eventTypes: event_types == null ? null : [...new Set(event_types)],
})

export const ShownWebhook = z.object({
  id: z.uuid(),
  url: z.string(),
  event_types: z.array(z.string()).nullable(),
  description: z.string(),
  enabled: z.boolean(),
  disabled_because: z.enum(['asked', 'gone', 'failing']).nullable().meta({
    description:
      'asked: by POST …/disable; gone: the receiver answered 410; failing: every attempt of five days failed.',
  }),
  failing_since: z.iso.datetime().nullable(),
  former_secret_until: z.iso.datetime().nullable().meta({
    description: 'Until when the former secret signs too; after two rotations, the last but one.',
  }),
  created_on: z.iso.datetime(),
  created_by: z.string(),
  last_modified_on: z.iso.datetime(),
  last_modified_by: z.string(),
})

export const showWebhook = (webhook: Subscription): z.infer<typeof ShownWebhook> => ({
  id: webhook.id,
  url: webhook.url,
  event_types: webhook.eventTypes,
  description: webhook.description,
  enabled: webhook.disabled === null,
  disabled_because: webhook.disabled,
  failing_since: dateOrNull(webhook.failingSince),
  former_secret_until: dateOrNull(webhook.formerUntil),
  created_on: date(webhook.createdAt),
  created_by: webhook.createdBy,
  last_modified_on: date(webhook.updatedAt),
  last_modified_by: webhook.updatedBy,
})

export const ShownWithSecret = ShownWebhook.extend({
  secret: z.string().meta({ description: 'Shown only this once.' }),
})

export const showWithSecret = ({
  secret,
  ...webhook
}: Subscription & { secret: string }): z.infer<typeof ShownWithSecret> => ({
  ...showWebhook(webhook),
  secret,
})

export const ShownTest = z.object({ event_id: z.string() })

const size = pageSize(1000, 100)

export const WebhooksQuery = KeysetQuery('id of the webhook', 'the last of the page before')

export const DeliveriesQuery = z.object({
  status: z.enum(deliveryStates, `must be one of ${deliveryStates.join(', ')}`).optional(),
  after: z
    .string()
    .optional()
    .meta({ description: 'The delivery after which the page begins: `next` of the page before.' }),
  size,
})

export const ShownDelivery = z.object({
  id: z.string().meta({
    description: 'The id of the event, which every attempt has in the header webhook-id.',
  }),
  type: z.string(),
  timestamp: z.iso.datetime(),
  status: z.enum(deliveryStates),
  next_attempt_on: z.iso.datetime().nullable(),
  attempts: z.array(
    z.object({
      attempt: z.int(),
      timestamp: z.iso.datetime(),
      status_code: z.int().nullable(),
      duration_ms: z.int(),
      answer: z.string().meta({
        description:
          'The first kilobyte of the answer, or why there was none. Empty where it may name ' +
          'somebody who was erased.',
      }),
    }),
  ),
})

export const ShownDeliveries = z.object({
  deliveries: z.array(ShownDelivery),
  next: z.string().nullable(),
})

export const showDeliveries = (
  deliveries: Delivery[],
  size: number,
): z.infer<typeof ShownDeliveries> => ({
  deliveries: deliveries.map(({ event, type, at, state, nextAttemptAt, attempts }) => ({
    id: event,
    type,
    timestamp: date(at),
    status: state,
    next_attempt_on: dateOrNull(nextAttemptAt),
    attempts: attempts.map(({ attempt, at, status, duration, answer }) => ({
      attempt,
      timestamp: date(at),
      status_code: status,
      duration_ms: duration,
      answer,
    })),
  })),
  next: deliveries.length < size ? null : (deliveries.at(-1)?.event ?? null),
})

export const Replay = z.object({
  since: Time,
  until: Time.optional().meta({ description: 'Now if not given.' }),
  only: z.enum(['failed', 'all'], 'must be failed or all'),
})

/** The period in milliseconds, until `now` by default. */
export const replayOf = ({ since, until, only }: z.infer<typeof Replay>, now: number) => ({
  since: Date.parse(since),
  until: until === undefined ? now : Date.parse(until),
  only,
})

export const ShownReplay = z.object({ replayed: z.int() })
