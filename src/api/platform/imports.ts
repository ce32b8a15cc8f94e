import { Hono, type Context } from 'hono'
import { findReceived, receiveUsers } from '../../identity/users-upload.ts'
import { getUsersJob, listUsersJobs, type OpenedUsersJob } from '../../identity/users-jobs.ts'
import { listProblems } from '../../jobs/job-problems.ts'
import type { Http } from '../http.ts'
import { idempotentUpload } from '../idempotent-upload.ts'
import { finishAlways } from '../upload.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/imports.ts'

const showOpened = (c: Context<Http>, job: OpenedUsersJob) =>
  c.json(wire.showOpenedImport(job), 202, {
    Location: `${new URL(c.req.url).pathname.replace(/\/users\/?$/, '')}/imports/${job.id}`,
  })

/** The upload of a file of users. */
export const usersFile = new Hono<Http>().put(
  '/',
  operation(
    'uploadUsers',
    'users:write',
    'Upload a CSV file that sets attributes of users: user_id, then a column for each attribute',
    { schema: wire.ShownImport, status: 202, requestBody: wire.usersBody },
  ),
  finishAlways,
  valid('query', wire.UsersFileQuery),
  idempotentUpload<'job.created'>(async (c, { job_id }) =>
    showOpened(c, await findReceived(c.var.res, c.var.workspace, job_id)),
  ),
  async (c) => {
    const { res, workspace, caller, parts } = c.var
    return showOpened(c, await receiveUsers(res, workspace, caller.name, parts))
  },
)

/** The jobs of uploaded files. */
export const imports = new Hono<Http>()
  .get(
    '/',
    operation(
      'listImports',
      'users:read',
      'List the uploads of users, newest first',
      wire.ShownImports,
    ),
    valid('query', wire.ImportsQuery),
    async (c) => {
      const { before, size } = c.req.valid('query')
      return c.json(
        wire.showImports(await listUsersJobs(c.var.replica, c.var.workspace, before, size), size),
      )
    },
  )

  .get(
    '/:import_id',
    operation(
      'getImport',
      'users:read',
      'Get an upload of users: its progress and its outcome',
      wire.ShownImport,
    ),
    async (c) =>
      c.json(
        wire.showImport(await getUsersJob(c.var.db, c.var.workspace, c.req.param('import_id'))),
      ),
  )

  .get(
    '/:import_id/errors',
    operation(
      'listImportErrors',
      'users:read',
      'List the rows of a file that were refused, up to 10,000',
      wire.ShownImportErrors,
    ),
    valid('query', wire.ImportErrorsQuery),
    async (c) => {
      const { page, size } = c.req.valid('query')
      const job = await getUsersJob(c.var.db, c.var.workspace, c.req.param('import_id'))
      return c.json(
        wire.showImportErrors(
          await listProblems(c.var.db, job, {
            page,
            size,
            sort: { field: 'line', descending: false },
          }),
        ),
      )
    },
  )
