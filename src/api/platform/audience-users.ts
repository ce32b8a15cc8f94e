import { Hono } from 'hono'
import { queryAudience } from '../../audiences/cached-rule.ts'
import { explainUser } from '../../audiences/explain.ts'
import { exportAudience } from '../../audiences/export-audience.ts'
import { overlap } from '../../audiences/overlap.ts'
import { countUsers, listUsers } from '../../audiences/query.ts'
import { resolveRule } from '../../audiences/resolve.ts'
import { readRule } from '../../audiences/rule.ts'
import { acceptsCsv } from '../describe.ts'
import type { Http } from '../http.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/audiences.ts'
import { userIdOf } from './wire/users.ts'

const sampleSize = 10

/** Where a rule of the caller's, or the answer, tells the values of attributes. */
const withValues = ['audiences:read', 'users:read'] as const

/** The users of audiences, and of rules that are not saved. */
export const audienceUsers = new Hono<Http>()
  .post(
    '/preview',
    operation(
      'previewAudience',
      withValues,
      'Count the users who match a rule, and show ten of them',
      wire.ShownPreview,
    ),
    jsonBody,
    valid('json', wire.Preview),
    async (c) => {
      const { replica, workspace } = c.var
      const rule = await resolveRule(replica, workspace, readRule(c.req.valid('json').rule))
      const { users } = await listUsers(replica, workspace, rule, { after: '', size: sampleSize })
      return c.json({ count: await countUsers(replica, workspace, rule), sample: users })
    },
  )

  .get(
    '/overlap',
    operation(
      'overlapAudiences',
      'audiences:read',
      'Count the users of two audiences, and those who belong to both',
      wire.ShownOverlap,
    ),
    valid('query', wire.OverlapQuery),
    async (c) => {
      const { replica, workspace } = c.var
      const { a, b } = c.req.valid('query')
      return c.json(wire.showOverlap(a, b, await overlap(replica, workspace, a, b)))
    },
  )

  .get(
    '/:audience_id/count',
    operation('countAudience', 'audiences:read', 'Count the users of an audience', wire.ShownCount),
    async (c) => {
      const { replica, workspace } = c.var
      const count = await queryAudience(replica, workspace, wire.idOf(c), (db, rule) =>
        countUsers(db, workspace, rule),
      )
      return c.json({ count })
    },
  )

  .get(
    '/:audience_id/users',
    operation(
      'listAudienceUsers',
      'audiences:read',
      'List the users of an audience in the order of their ids; as text/csv, all of them',
      { schema: wire.ShownUsers, csv: true },
    ),
    valid('query', wire.UsersQuery),
    async (c, next) => {
      if (!acceptsCsv(c.req.header('accept'))) return next()
      const { res, workspace } = c.var
      const { after, for: fileFor } = c.req.valid('query')
      const file = await exportAudience(res, workspace, wire.idOf(c), { after, fileFor })
      return c.body(file, 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="audience.csv"',
      })
    },
    async (c) => {
      const { replica, workspace } = c.var
      const { users, next = null } = await queryAudience(
        replica,
        workspace,
        wire.idOf(c),
        (db, rule) => listUsers(db, workspace, rule, c.req.valid('query')),
      )
      return c.json({ users, next })
    },
  )

  .get(
    '/:audience_id/users/:user_id',
    operation(
      'explainAudienceUser',
      withValues,
      'Explain why a user belongs to an audience or does not',
      wire.ShownMembership,
    ),
    async (c) => {
      const { replica, workspace } = c.var
      const user = userIdOf(c.req.param('user_id'))
      const explained = await queryAudience(replica, workspace, wire.idOf(c), (db, rule) =>
        explainUser(db, workspace, rule, user),
      )
      return c.json(wire.showMembership(explained))
    },
  )
