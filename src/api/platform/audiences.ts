import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { attachAudience, detachAudience } from '../../audiences/attach.ts'
import {
  createAudience,
  deleteAudience,
  getAudience,
  listAudiences,
  updateAudience,
  type Audience,
} from '../../audiences/audiences.ts'
import { priced } from '../../audiences/prices.ts'
import { requestSync } from '../../audiences/sync.ts'
import { getOpened } from '../../experience/jobs.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, optionalJsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/audiences.ts'

/** Who chooses a rule finds out values by who matches: by counts, lists, or the members of a group. */
const choosing = ['audiences:write', 'users:read'] as const
const filling = ['audiences:write', 'groups:write'] as const

const showOne = async (c: Context<Http>, audience: Audience) => {
  const { db, workspace, res } = c.var
  const [only = { ...audience, cost: null }] = await priced(db, workspace, [audience], res.limits)
  return c.json(wire.showAudience(only, res.limits))
}

/** The audiences of a workspace, and the experience groups that they fill. */
export const audiences = new Hono<Http>()
  .get(
    '/',
    operation('listAudiences', 'audiences:read', 'List the audiences', z.array(wire.ShownAudience)),
    valid('query', wire.AudiencesQuery),
    async (c) => {
      const { replica, workspace, res } = c.var
      const listed = await listAudiences(replica, workspace, c.req.valid('query'))
      const all = await priced(replica, workspace, listed, res.limits)
      return c.json(all.map((audience) => wire.showAudience(audience, res.limits)))
    },
  )

  .post(
    '/',
    operation('createAudience', choosing, 'Create an audience', wire.ShownAudience),
    jsonBody,
    valid('json', wire.NewAudience),
    idempotent<'audience.created'>(async (c, { audience_id }) =>
      showOne(c, await getAudience(c.var.db, c.var.workspace, audience_id)),
    ),
    async (c) => {
      const { workspace, caller, res } = c.var
      const { id = crypto.randomUUID(), ...draft } = c.req.valid('json')
      const by = caller.name
      const audience = await createAudience(res, workspace, id, { ...wire.draftOf(draft), by })
      return showOne(c, audience)
    },
  )

  .get(
    '/:audience_id',
    operation('getAudience', 'audiences:read', 'Get an audience', wire.ShownAudience),
    async (c) => showOne(c, await getAudience(c.var.db, c.var.workspace, wire.idOf(c))),
  )

  .put(
    '/:audience_id',
    operation(
      'replaceAudience',
      choosing,
      'Replace an audience; its id and its experience group stay',
      wire.ShownAudience,
    ),
    jsonBody,
    valid('json', wire.AudienceChange),
    async (c) => {
      const { workspace, caller, res } = c.var
      const draft = { ...wire.draftOf(c.req.valid('json')), by: caller.name }
      return showOne(c, await updateAudience(res, workspace, wire.idOf(c), draft))
    },
  )

  .delete(
    '/:audience_id',
    operation(
      'deleteAudience',
      'audiences:write',
      'Delete an audience that no other audience uses; its experience group keeps its members',
    ),
    async (c) => {
      await deleteAudience(c.var.res, c.var.workspace, wire.idOf(c))
      return c.body(null, 204)
    },
  )

  .put(
    '/:audience_id/experience-group',
    operation(
      'attachAudience',
      filling,
      'Attach an audience to the experience group that it fills',
      wire.ShownAudience,
    ),
    jsonBody,
    valid('json', wire.Attachment),
    async (c) => {
      const { res, workspace } = c.var
      const { groupId } = c.req.valid('json')
      return showOne(c, await attachAudience(res, workspace, wire.idOf(c), groupId))
    },
  )

  .delete(
    '/:audience_id/experience-group',
    operation(
      'detachAudience',
      filling,
      'Detach an audience from its experience group, which keeps its members',
    ),
    async (c) => {
      await detachAudience(c.var.res, c.var.workspace, wire.idOf(c))
      return c.body(null, 204)
    },
  )

  .post(
    '/:audience_id/sync',
    operation(
      'syncAudience',
      filling,
      'Fill the experience group of an audience with its users, by a job',
      { schema: wire.ShownSync, status: 202, description: wire.aboutSyncs },
    ),
    optionalJsonBody,
    valid('json', wire.SyncRequest),
    idempotent<'sync.requested'>(async (c, { job_id }) =>
      c.json(wire.showSync(await getOpened(c.var.res, c.var.workspace, job_id)), 202),
    ),
    async (c) => {
      const { res, workspace, caller } = c.var
      const request = { by: caller.name, ...c.req.valid('json') }
      const job = await requestSync(res, workspace, wire.idOf(c), request)
      return c.json(wire.showSync(job), 202)
    },
  )
