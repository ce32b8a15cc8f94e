import { Hono } from 'hono'
import { listRevisions } from '../../experience/revisions.ts'
import type { Http } from '../http.ts'
import { addressOf } from '../origin.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import { Page, showPage } from './paging.ts'
import * as wire from './revision-wire.ts'
import { groupIdOf } from './wire.ts'

/** What a group was before, and who has changed it. */
export const revisions = new Hono<Http>().get(
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
