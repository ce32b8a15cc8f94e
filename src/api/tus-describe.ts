import { describeRoute } from 'hono-openapi'
import type { z } from 'zod'
import type { Needs } from '../access/scopes.ts'
import { guarded, json, rateLimitExceeded, type Responses, type Spec } from './describe.ts'
import { pieceType } from './tus.ts'

const text = { schema: { type: 'string' as const } }
const bytes = { schema: { type: 'integer' as const, minimum: 0 } }

const answered = {
  'Tus-Resumable': text,
  'Upload-Offset': { ...bytes, description: 'Where the next piece begins' },
  'Upload-Expires': {
    ...text,
    description: 'Until when the upload is kept unless it moves; none once its job is open',
  },
  'Job-Id': { ...text, description: 'The job that applies the file, once all of it is there' },
}

const header = (name: string, more: { required?: boolean; description?: string } = {}) => ({
  ...{ in: 'header' as const, name, required: false, ...more },
  schema: { type: 'string' as const },
})

const ofTus = header('Tus-Resumable', { required: true, description: '1.0.0' })
const override = header('X-HTTP-Method-Override', {
  required: true,
  description: 'PATCH or DELETE',
})
const offset = header('Upload-Offset', {
  ...{ required: true, description: 'Where the piece begins: as the upload says' },
})
const creation = [
  header('Upload-Length', { required: true, description: 'Bytes of the whole file' }),
  header('Upload-Metadata', {
    description:
      'Names, each with a text in Base64, joined by commas: filename, filetype, and the fields of ' +
      'an upload in one request (type, mode, maxRemovePercent, header)',
  }),
]

const piece = (required: boolean) => ({
  required,
  content: {
    [pieceType]: {
      schema: {
        type: 'string' as const,
        format: 'binary',
        description:
          'Bytes of the file from Upload-Offset on: 8 MiB or more, or all that are left of it.',
      },
    },
  },
})

/** How a dialect describes uploads: its scope, its words for them, and its refusals. */
interface Dialect {
  needs: Needs
  tags: string[]
  parameters: NonNullable<Spec['parameters']>
  /** Begins the ids of the operations. */
  prefix: string
  shown: z.ZodType
  refused: z.ZodType
  refusals: Responses
}

export function tusOperations({ needs, tags, prefix, ...dialect }: Dialect) {
  const { shown, refused, refusals, parameters } = dialect
  const says = (status: string, sentence: string) => ({ [status]: json(sentence, refused) })
  const responses = {
    ...refusals,
    429: rateLimitExceeded(refused),
    ...says('404', 'There is no such upload, or it was deleted or has expired'),
    ...says('409', 'The upload is at another offset'),
    ...says('412', 'Tus-Resumable is not 1.0.0'),
    ...says('413', 'The file is too large'),
    ...says('415', `The body is not ${pieceType}`),
    ...says('423', 'Another request is sending this upload, or too many uploads are in progress'),
  }
  const one = (id: string, summary: string, success: Responses, more: object = {}) =>
    guarded(needs, {
      ...{ operationId: `${prefix}${id}`, summary, tags, parameters: [...parameters, ofTus] },
      responses: { ...success, ...responses },
      ...more,
    })
  const done = { 204: { description: 'Done', headers: answered } }
  const all = [...parameters, ofTus]
  return {
    options: describeRoute({
      ...{ operationId: `${prefix}Options`, tags, security: [] },
      summary: 'What of tus 1.0 is offered',
      responses: {
        204: {
          description: 'Done',
          headers: { 'Tus-Version': text, 'Tus-Extension': text, 'Tus-Max-Size': bytes },
        },
      },
    }),
    create: one(
      'Create',
      'Begin to send a file in pieces, by tus 1.0; the first piece may come with it',
      { 201: { ...json('Done', shown), headers: { ...answered, Location: text } } },
      { parameters: [...all, ...creation], requestBody: piece(false) },
    ),
    get: one('Get', 'Where an upload goes on (HEAD), or all of it (GET)', {
      200: { ...json('Done', shown), headers: { ...answered, 'Upload-Length': bytes } },
    }),
    patch: one(
      'Continue',
      'Send the next piece: whole parts of 8 MiB are kept, the last piece opens the job',
      done,
      { parameters: [...all, offset], requestBody: piece(true) },
    ),
    post: one('ByPost', 'PATCH or DELETE, where a proxy lets only POST through', done, {
      ...{ parameters: [...all, override], requestBody: piece(false) },
    }),
    remove: one('Delete', 'Delete an upload; the job that it has opened goes on', {
      204: { description: 'Done' },
    }),
  }
}
