import { z } from 'zod'
import { failureReasons, type EventData } from '../../../webhooks/event.ts'

const Group = z.object({ group_id: z.uuid(), name: z.string() })
const Definition = z.object({ definition_id: z.string() })
const Applied = z.object({
  group_id: z.uuid(),
  job_id: z.uuid(),
  type: z.enum(['ADD', 'REMOVE', 'REPLACE']),
  revision: z.int(),
  added: z.int(),
  removed: z.int(),
  unchanged: z.int(),
  failed: z.int(),
})

/** What an event of each type says, and when it happens. */
const told = {
  'group.created': ['An experience group was created', Group],
  'group.updated': ['Its name or description was changed', Group],
  'group.deleted': ['It was deleted', z.object({ group_id: z.uuid() })],
  'group.participants.changed': ['The changes of a job went live', Applied],
  'job.failed': [
    'A job ended without any change; group_id is null for a file of users',
    z.object({
      job_id: z.uuid(),
      group_id: z.uuid().nullable(),
      reason: z.enum(failureReasons),
    }),
  ],
  'definition.created': ['A group definition was created', Definition],
  'definition.updated': ['It was changed', Definition],
  'definition.deleted': ['It was deleted, and what users inherited by it', Definition],
  'household.recomputed': [
    'The groups of a definition were formed anew',
    z.object({
      definition_id: z.string(),
      run_id: z.uuid(),
      groups: z.int(),
      users_seated: z.int(),
      users_over_limit: z.int(),
      rows_changed: z.int(),
    }),
  ],
  'audience.synced': [
    'An audience has filled its experience group',
    Applied.extend({ audience_id: z.string() }),
  ],
  'webhook.disabled': [
    'A webhook gets nothing more: its receiver answered 410 (gone), or nothing has arrived for five days (failing)',
    z.object({ webhook_id: z.uuid(), reason: z.enum(['gone', 'failing']) }),
  ],
  'webhook.test': ['Sent by POST …/test', z.object({ webhook_id: z.uuid() })],
} satisfies { [Type in keyof EventData]: [summary: string, data: z.ZodType<EventData[Type]>] }

const header = (name: string, description: string) => ({
  in: 'header' as const,
  name,
  required: true,
  description,
  schema: { type: 'string' as const },
})

const headers = [
  header('webhook-id', 'The event: the same on every attempt.'),
  header('webhook-timestamp', 'Unix seconds of this attempt.'),
  header(
    'webhook-signature',
    'Standard Webhooks 1.0: one signature for each secret that holds, separated by blanks.',
  ),
]

/** `group.created` as the name of an operation: `onGroupCreated`. */
const operationOf = (type: string) =>
  `on${type
    .split('.')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}`

/** The events as the OpenAPI document tells of them. */
export const describeEvents = () =>
  Object.fromEntries(
    Object.entries(told).map(([type, [summary, data]]) => {
      // The document says once of which dialect all of its schemas are.
      const { $schema: _, ...schema }: { $schema?: unknown } = z.toJSONSchema(
        z.object({ type: z.literal(type), timestamp: z.iso.datetime(), data }),
      )
      const post = {
        operationId: operationOf(type),
        summary,
        tags: ['Webhooks'],
        // A receiver knows who sends by the signature.
        security: [],
        parameters: headers,
        requestBody: { required: true, content: { 'application/json': { schema } } },
        responses: {
          '2XX': { description: 'It has arrived' },
          410: { description: 'The webhook is disabled at once' },
          default: { description: 'It is sent again, ten times in three days' },
        },
      }
      return [type, { post }]
    }),
  )
