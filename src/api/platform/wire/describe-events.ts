import { z } from 'zod'
import { usualTypes } from '../../../webhooks/event.ts'
import { eventTypes } from './events.ts'

const header = (name: string, description: string) => ({
  in: 'header' as const,
  name,
  required: true,
  description,
  schema: { type: 'string' as const },
})

const headers = [
  header('webhook-id', 'The id of the event, the same for every attempt.'),
  header('webhook-timestamp', 'The time of this attempt in Unix seconds.'),
  header(
    'webhook-signature',
    'A signature (Standard Webhooks 1.0) for each valid secret, separated by spaces.',
  ),
]

/** `group.created` as the name of an operation: `onGroupCreated`. */
const operationOf = (type: string) =>
  `on${type
    .split('.')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}`

const usual: readonly string[] = usualTypes

/** The webhooks of the OpenAPI document. */
export const describeEvents = () =>
  Object.fromEntries(
    Object.entries(eventTypes).map(([type, [summary, data]]) => {
      // The document names the dialect of all of its schemas.
      const { $schema: _, ...schema }: { $schema?: unknown } = z.toJSONSchema(
        z.object({ type: z.literal(type), timestamp: z.iso.datetime(), data }),
      )
      const post = {
        operationId: operationOf(type),
        summary,
        ...(!usual.includes(type) && { description: 'Sent only to webhooks that name this type.' }),
        tags: ['Webhooks'],
        // The signature authenticates the sender.
        security: [],
        parameters: headers,
        requestBody: { required: true, content: { 'application/json': { schema } } },
        responses: {
          '2XX': { description: 'The event was received' },
          410: { description: 'The webhook is disabled' },
          default: { description: 'The event is sent again, up to ten times in three days' },
        },
      }
      return [type, { post }]
    }),
  )
