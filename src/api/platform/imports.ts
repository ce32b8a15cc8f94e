import { Hono } from 'hono'
import { receiveUsers } from '../../identity/users-file.ts'
import { getUsersJob, listUsersJobs } from '../../identity/users-jobs.ts'
import { listProblems } from '../../jobs/jobs.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { toTheEnd, uploadParts } from '../upload.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/imports.ts'

/** Where a file of users is sent to (CONTRACT 4, "Users"). */
export const usersFile = new Hono<Http>().put(
  '/',
  operation(
    'uploadUsers',
    'users:write',
    'Merge a CSV file of users: user_id, then a column for each attribute',
    wire.ShownImport,
    {
      status: 202,
      requestBody: wire.usersBody,
    },
  ),
  allows('users:write'),
  toTheEnd,
  valid('query', wire.UsersFileQuery),
  async (c) => {
    const { res, workspace, caller } = c.var
    const parts = uploadParts(c.req.raw, c.req.valid('query'), res.limits)
    const job = await receiveUsers(res, workspace, caller.name, parts)
    return c.json(wire.showImport(job), 202, {
      Location: `${new URL(c.req.url).pathname.replace(/\/users\/?$/, '')}/imports/${job.id}`,
    })
  },
)

/** The jobs that apply files of users. */
export const imports = new Hono<Http>()
  .get(
    '/',
    operation('listImports', 'users:read', 'The files of users, newest first', wire.ShownImports),
    allows('users:read'),
    valid('query', wire.ImportsQuery),
    async (c) => {
      const { before, size } = c.req.valid('query')
      return c.json(
        wire.showImports(await listUsersJobs(c.var.db, c.var.workspace, before, size), size),
      )
    },
  )

  .get(
    '/:import_id',
    operation(
      'getImport',
      'users:read',
      'A file of users: how far it is, and how it ended',
      wire.ShownImport,
    ),
    allows('users:read'),
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
      'The rows of a file that were refused, the first 10,000 of them',
      wire.ShownImportErrors,
    ),
    allows('users:read'),
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
