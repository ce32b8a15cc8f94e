import { Hono } from 'hono'
import { getOpened } from '../../experience/jobs.ts'
import { revertGroup } from '../../experience/revert.ts'
import { listRevisions } from '../../experience/revisions.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { ifMatch } from '../if-match.ts'
import { addressOf } from '../origin.ts'
import { optionalJsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import { Page, showPage } from './paging.ts'
import { Revert, ShownRevert, showRevert } from './revert-wire.ts'
import * as wire from './revision-wire.ts'
import { groupIdOf } from './wire.ts'

/** What a group was before, who has changed it, and the way back. */
export const revisions = new Hono<Http>()
  .get(
    '/groups/:groupId/revisions',
    operation(
      'listRevisions',
      'groups:read',
      'List the revisions of a group, newest first: those of the days for which jobs are kept',
      Page(wire.ShownRevision),
    ),
    valid('query', wire.RevisionsQuery),
    async (c) => {
      const { replica, workspace } = c.var
      const page = c.req.valid('query')
      const id = groupIdOf(c.req.param('groupId'))
      const listed = await listRevisions(replica, workspace, id, page)
      return c.json(showPage(addressOf(c), page, listed, wire.showRevision))
    },
  )

  .post(
    '/groups/:groupId/revert',
    operation(
      'revertGroup',
      'groups:write',
      'Bring back the revision before the live one, as a job',
      ShownRevert,
    ),
    ifMatch,
    optionalJsonBody,
    valid('json', Revert),
    idempotent<'job.created'>(async (c, { job_id }) => {
      const { id, groupId } = await getOpened(c.var.res, c.var.workspace, job_id)
      return c.json(showRevert(id, groupId))
    }),
    async (c) => {
      const { res, workspace, caller, expected } = c.var
      const id = groupIdOf(c.req.param('groupId'))
      const { mode, maxRemovePercent = null } = c.req.valid('json')
      const draft = { mode, maxRemovePercent, createdBy: caller.name, expected }
      return c.json(showRevert(await revertGroup(res, workspace, id, draft), id))
    },
  )
