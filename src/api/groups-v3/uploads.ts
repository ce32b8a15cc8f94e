import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { toGroup } from '../../experience/upload.ts'
import { json } from '../describe.ts'
import type { Http } from '../http.ts'
import { ifMatch } from '../if-match.ts'
import { requireTus, showTus, speaksTus, uploadHandlers } from '../tus.ts'
import { tusOperations } from '../tus-describe.ts'
import { finishAlways } from '../upload.ts'
import { transactionId } from './describe.ts'
import { groupIdOf, Refused } from './wire.ts'

const ShownResumable = z.object({
  uploadId: z.uuid(),
  groupId: z.uuid().nullable(),
  fileName: z.string(),
  length: z.int(),
  offset: z.int(),
  createdDateTime: z.iso.datetime(),
  jobId: z.uuid().nullable(),
})

const described = tusOperations({
  ...{ needs: 'groups:write', tags: ['Experience Groups'], prefix: 'resumableUpload' },
  parameters: [transactionId],
  shown: ShownResumable,
  refused: Refused,
  refusals: {
    400: json('Refused: the message names the field', Refused),
    401: json('The token is missing or invalid, or lacks the scope', Refused),
    500: json('An internal error', Refused),
  },
})

const handlers = uploadHandlers<z.infer<typeof ShownResumable>>({
  destinationOf: (c: Context<Http>) => {
    const { res, workspace, caller, expected } = c.var
    const id = groupIdOf(c.req.param('groupId') ?? '')
    return toGroup(res, workspace, id, { createdBy: caller.name, expected })
  },
  id: 'uploadId',
  show: (upload) => ({
    uploadId: upload.id,
    groupId: upload.group,
    fileName: upload.fileName,
    length: upload.length,
    offset: upload.offset,
    createdDateTime: new Date(upload.createdAt).toISOString(),
    jobId: upload.job,
  }),
})

const [all, one] = ['/groups/:groupId/uploads', '/groups/:groupId/uploads/:uploadId'] as const

/** What is answered to everybody; stands before the token is checked. */
export const uploadsOffered = new Hono<Http>()
  .use(`${all}/*`, speaksTus)
  .on('OPTIONS', all, described.options, showTus)

/** Files of participants that are sent in pieces. */
export const uploads = new Hono<Http>()
  .post(all, described.create, requireTus, finishAlways, handlers.once, ifMatch, handlers.create)
  .get(one, described.get, requireTus, handlers.get)
  .patch(one, described.patch, requireTus, finishAlways, handlers.patch)
  .post(one, described.post, requireTus, finishAlways, handlers.post)
  .delete(one, described.remove, requireTus, handlers.remove)
