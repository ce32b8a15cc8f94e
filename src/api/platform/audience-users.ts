import { Hono, type Context } from 'hono'
import { exportAudience } from '../../audiences/export-audience.ts'
import {
  countAudience,
  explainAudience,
  listAudience,
  overlap,
  previewRule,
  type Asker,
  type Count,
} from '../../audiences/questions.ts'
import { acceptsCsv } from '../describe.ts'
import type { Http } from '../http.ts'
import { questionLimited } from '../rate-limit.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/audiences.ts'
import * as counts from './wire/counts.ts'
import { userIdOf } from './wire/users.ts'

const asker = ({ var: { replica, workspace, res } }: Context<Http>): Asker => ({
  db: replica,
  workspace,
  limits: res.limits,
})

/** A count, or how far it has come and where it goes on. */
const answer = <Shown extends object>(c: Context<Http>, count: Count, shown: Shown) => {
  const { next } = count
  if (next === undefined) return c.json(shown)
  const url = `${c.req.path}?continue=${next.token}`
  return c.json({ ...shown, ...counts.showGoingOn(count, next, url) }, 202, { Location: url })
}

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
      { schema: counts.ShownPreview, goesOn: counts.PreviewGoingOn, timed: true },
    ),
    questionLimited,
    jsonBody,
    valid('query', counts.Continue),
    valid('json', wire.Preview),
    async (c) => {
      const { continue: token } = c.req.valid('query')
      const count = await previewRule(asker(c), c.req.valid('json').rule, token)
      return answer(c, count, counts.showPreview(count, c.var.res.limits))
    },
  )

  .get(
    '/overlap',
    operation(
      'overlapAudiences',
      'audiences:read',
      'Count the users of two audiences, and those who belong to both',
      { schema: counts.ShownOverlap, timed: true },
    ),
    questionLimited,
    valid('query', counts.OverlapQuery),
    async (c) => {
      const { a, b } = c.req.valid('query')
      return c.json(counts.showOverlap(a, b, await overlap(asker(c), a, b)))
    },
  )

  .get(
    '/:audience_id/count',
    operation('countAudience', 'audiences:read', 'Count the users of an audience', {
      schema: counts.ShownCount,
      goesOn: counts.CountGoingOn,
      timed: true,
    }),
    questionLimited,
    valid('query', counts.Continue),
    async (c) => {
      const { continue: token } = c.req.valid('query')
      const count = await countAudience(asker(c), wire.idOf(c), token)
      return answer(c, count, counts.showCount(count, c.var.res.limits))
    },
  )

  .get(
    '/:audience_id/users',
    operation(
      'listAudienceUsers',
      'audiences:read',
      'List the users of an audience in the order of their ids; as text/csv, all of them',
      { schema: wire.ShownUsers, csv: true, timed: true },
    ),
    questionLimited,
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
      const { users, next = null } = await listAudience(
        asker(c),
        wire.idOf(c),
        c.req.valid('query'),
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
      { schema: wire.ShownMembership, timed: true },
    ),
    questionLimited,
    async (c) => {
      const user = userIdOf(c.req.param('user_id'))
      return c.json(wire.showMembership(await explainAudience(asker(c), wire.idOf(c), user)))
    },
  )
