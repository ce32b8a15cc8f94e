import { Hono } from 'hono'
import { sourceOf } from '../../audiences/apply.ts'
import { exportChanges, listChanges } from '../../experience/changes.ts'
import { cancelJob, publishJob } from '../../experience/held.ts'
import { acceptsCsv } from '../describe.ts'
import type { Http } from '../http.ts'
import { ifMatch, setTag } from '../if-match.ts'
import { optionalJsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './job-wire.ts'

/** What a job changes, and whether it goes live. */
export const heldJobs = new Hono<Http>()
  .get(
    '/jobs/:jobId/changes',
    operation(
      'listJobChanges',
      'groups:read',
      'List who joins or leaves a group by a job that is held or live; as text/csv, all of them',
      { schema: wire.ShownChanges, kind: 'export', description: wire.aboutChanges },
    ),
    valid('query', wire.ChangesQuery),
    async (c, next) => {
      if (!acceptsCsv(c.req.header('accept'))) return next()
      const id = c.req.param('jobId').toLowerCase()
      const { kind, after, for: fileFor } = c.req.valid('query')
      const file = await exportChanges(c.var.res, c.var.workspace, id, { kind, after, fileFor })
      return c.body(file, 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': `attachment; filename="${id}-${kind}.csv"`,
      })
    },
    async (c) => {
      const id = c.req.param('jobId').toLowerCase()
      const page = await listChanges(c.var.db, c.var.workspace, id, c.req.valid('query'))
      return c.json(wire.showChanges(page))
    },
  )

  .post(
    '/jobs/:jobId/publish',
    operation('publishJob', 'groups:write', 'Make the changes of a held job live', {
      schema: wire.ShownJob,
      tagged: true,
    }),
    ifMatch,
    optionalJsonBody,
    valid('json', wire.Publication),
    async (c) => {
      const { res, workspace } = c.var
      const { expectedRemoved } = c.req.valid('json')
      const id = c.req.param('jobId').toLowerCase()
      const { expected } = c.var
      const job = await publishJob(res, workspace, id, { expectedRemoved, sourceOf, expected })
      setTag(c, job.groupRevision)
      return c.json(wire.showJob(job))
    },
  )

  .post(
    '/jobs/:jobId/cancel',
    operation(
      'cancelJob',
      'groups:write',
      'Cancel a job that waits, runs or is held; nothing of it is applied',
      wire.ShownJob,
    ),
    async (c) =>
      c.json(
        wire.showJob(
          await cancelJob(c.var.res, c.var.workspace, c.req.param('jobId').toLowerCase()),
        ),
      ),
  )
