import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { toUsers } from '../../identity/users-upload.ts'
import type { Http } from '../http.ts'
import { requireTus, showTus, speaksTus, uploadHandlers } from '../tus.ts'
import { tusOperations } from '../tus-describe.ts'
import { finishAlways } from '../upload.ts'
import { PlatformError, refusals } from './describe.ts'
import { date } from './wire/values.ts'

const ShownUpload = z.object({
  id: z.uuid(),
  file_name: z.string(),
  length: z.int(),
  offset: z.int(),
  created_on: z.iso.datetime(),
  import_id: z.uuid().nullable(),
})

const described = tusOperations({
  ...{ needs: 'users:write', tags: ['Users'], prefix: 'usersUpload', parameters: [] },
  shown: ShownUpload,
  refused: PlatformError,
  refusals,
})

const handlers = uploadHandlers<z.infer<typeof ShownUpload>>({
  destinationOf: ({ var: { res, workspace, caller } }: Context<Http>) =>
    toUsers(res, workspace, caller.name),
  id: 'upload_id',
  show: (upload) => ({
    id: upload.id,
    file_name: upload.fileName,
    length: upload.length,
    offset: upload.offset,
    created_on: date(upload.createdAt),
    import_id: upload.job,
  }),
})

/** What is answered to everybody; stands before the token is checked. */
export const uploadsOffered = new Hono<Http>()
  .use('/*', speaksTus)
  .on('OPTIONS', '/', described.options, showTus)

/** Files of users that are sent in pieces. */
export const uploads = new Hono<Http>()
  .post('/', described.create, requireTus, finishAlways, handlers.once, handlers.create)
  .get('/:upload_id', described.get, requireTus, handlers.get)
  .patch('/:upload_id', described.patch, requireTus, finishAlways, handlers.patch)
  .post('/:upload_id', described.post, requireTus, finishAlways, handlers.post)
  .delete('/:upload_id', described.remove, requireTus, handlers.remove)
