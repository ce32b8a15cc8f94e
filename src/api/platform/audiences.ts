import { Hono } from 'hono'
import { z } from 'zod'
import {
  createAudience,
  deleteAudience,
  getAudience,
  listAudiences,
  attachAudience,
  detachAudience,
  updateAudience,
} from '../../audiences/audiences.ts'
import { queryAudience } from '../../audiences/cached-rule.ts'
import { explainUser } from '../../audiences/explain.ts'
import { exportUsers } from '../../audiences/export.ts'
import { countUsers, listUsers } from '../../audiences/query.ts'
import { overlap } from '../../audiences/overlap.ts'
import { readRule } from '../../audiences/rule.ts'
import { requestSync } from '../../audiences/sync.ts'
import { resolveAudience, resolveRule } from '../../audiences/resolve.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/audiences.ts'
import { userIdOf } from './wire/users.ts'

const samples = 10

const idOf = ({ req }: { req: { param: (name: 'audience_id') => string } }) =>
  wire.audienceIdOf(req.param('audience_id'))

/** Audiences: the users for whom a rule holds, and the way from there into an experience group. */
export const audiences = new Hono<Http>()
  .get(
    '/',
    operation('listAudiences', 'audiences:read', 'All audiences', z.array(wire.ShownAudience)),
    allows('audiences:read'),
    async (c) => c.json((await listAudiences(c.var.db, c.var.workspace)).map(wire.showAudience)),
  )

  .post(
    '/',
    operation('createAudience', 'audiences:write', 'Create an audience', wire.ShownAudience),
    allows('audiences:write'),
    jsonBody,
    valid('json', wire.NewAudience),
    async (c) => {
      const { workspace, caller, res } = c.var
      const { id = crypto.randomUUID(), ...draft } = c.req.valid('json')
      return c.json(
        wire.showAudience(
          await createAudience(res, workspace, id, { ...wire.draftOf(draft), by: caller.name }),
        ),
      )
    },
  )

  .post(
    '/preview',
    operation(
      'previewAudience',
      'audiences:read',
      'How many users a rule holds for, and ten of them',
      wire.ShownPreview,
    ),
    allows('audiences:read'),
    jsonBody,
    valid('json', wire.Preview),
    async (c) => {
      const { db, workspace } = c.var
      const resolved = await resolveRule(db, workspace, readRule(c.req.valid('json').rule))
      const { users } = await listUsers(db, workspace, resolved, { after: '', size: samples })
      return c.json({ count: await countUsers(db, workspace, resolved), sample: users })
    },
  )

  .get(
    '/overlap',
    operation(
      'overlapAudiences',
      'audiences:read',
      'How many users two audiences have, and how many both have',
      wire.ShownOverlap,
    ),
    allows('audiences:read'),
    valid('query', wire.OverlapQuery),
    async (c) => {
      const { db, workspace } = c.var
      const { a, b } = c.req.valid('query')
      return c.json(wire.showOverlap(a, b, await overlap(db, workspace, a, b)))
    },
  )

  .get(
    '/:audience_id',
    operation('getAudience', 'audiences:read', 'One audience', wire.ShownAudience),
    allows('audiences:read'),
    async (c) => c.json(wire.showAudience(await getAudience(c.var.db, c.var.workspace, idOf(c)))),
  )

  .put(
    '/:audience_id',
    operation(
      'replaceAudience',
      'audiences:write',
      'Replace an audience, but for its id and its group',
      wire.ShownAudience,
    ),
    allows('audiences:write'),
    jsonBody,
    valid('json', wire.AudienceChange),
    async (c) => {
      const { workspace, caller, res } = c.var
      const draft = wire.draftOf(c.req.valid('json'))
      return c.json(
        wire.showAudience(
          await updateAudience(res, workspace, idOf(c), { ...draft, by: caller.name }),
        ),
      )
    },
  )

  .delete(
    '/:audience_id',
    operation(
      'deleteAudience',
      'audiences:write',
      'Delete an audience that no other uses; its group keeps its members',
      undefined,
    ),
    allows('audiences:write'),
    async (c) => {
      await deleteAudience(c.var.res, c.var.workspace, idOf(c))
      return c.body(null, 204)
    },
  )

  .get(
    '/:audience_id/count',
    operation('countAudience', 'audiences:read', 'How many users an audience has', wire.ShownCount),
    allows('audiences:read'),
    async (c) => {
      const { db, workspace } = c.var
      const count = await queryAudience(db, workspace, idOf(c), (db, resolved) =>
        countUsers(db, workspace, resolved),
      )
      return c.json({ count })
    },
  )

  .get(
    '/:audience_id/users',
    operation(
      'listAudienceUsers',
      'audiences:read',
      'The users of an audience, in the order of ids; as text/csv, all of them',
      wire.ShownUsers,
      { alsoAs: 'text/csv' },
    ),
    allows('audiences:read'),
    valid('query', wire.UsersQuery),
    async (c, next) => {
      if (!/\btext\/csv\b/i.test(c.req.header('accept') ?? '')) return next()
      const { db, workspace } = c.var
      const file = exportUsers(
        db,
        workspace,
        await resolveAudience(db, workspace, idOf(c)),
        c.req.valid('query').after,
      )
      return c.body(file, 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="audience.csv"',
      })
    },
    async (c) => {
      const { db, workspace } = c.var
      const { users, next = null } = await queryAudience(db, workspace, idOf(c), (db, resolved) =>
        listUsers(db, workspace, resolved, c.req.valid('query')),
      )
      return c.json({ users, next })
    },
  )

  .get(
    '/:audience_id/users/:user_id',
    operation(
      'explainAudienceUser',
      'audiences:read',
      'Whether a user belongs to an audience, and why',
      wire.ShownMembership,
    ),
    allows('audiences:read'),
    async (c) => {
      const { db, workspace } = c.var
      const user = userIdOf(c.req.param('user_id'))
      const explained = await queryAudience(db, workspace, idOf(c), (db, resolved) =>
        explainUser(db, workspace, resolved, user),
      )
      return c.json(wire.showMembership(explained))
    },
  )

  .put(
    '/:audience_id/experience-group',
    operation(
      'attachAudience',
      'audiences:write',
      'Name the experience group that an audience fills',
      wire.ShownAudience,
      {
        security: [{ bearer: ['audiences:write', 'groups:write'] }],
      },
    ),
    allows('audiences:write'),
    allows('groups:write'),
    jsonBody,
    valid('json', wire.Attachment),
    async (c) => {
      const { res, workspace } = c.var
      return c.json(
        wire.showAudience(
          await attachAudience(res, workspace, idOf(c), c.req.valid('json').groupId),
        ),
      )
    },
  )

  .delete(
    '/:audience_id/experience-group',
    operation(
      'detachAudience',
      'audiences:write',
      'Let go of the experience group, which keeps its members',
      undefined,
    ),
    allows('audiences:write'),
    async (c) => {
      await detachAudience(c.var.res, c.var.workspace, idOf(c))
      return c.body(null, 204)
    },
  )

  .post(
    '/:audience_id/sync',
    operation(
      'syncAudience',
      'audiences:write',
      'Make the experience group what the audience is, by a job like that of a file',
      wire.ShownSync,
      {
        status: 202,
      },
    ),
    allows('audiences:write'),
    async (c) => {
      const { res, workspace, caller } = c.var
      return c.json(wire.showSync(await requestSync(res, workspace, idOf(c), caller.name)), 202)
    },
  )
