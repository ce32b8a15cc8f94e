import { Hono } from 'hono'
import { correct, takeBack } from '../../identity/correct.ts'
import { listCorrections } from '../../identity/corrections.ts'
import { mergeGroups, splitGroup } from '../../identity/merge.ts'
import { canonical } from '../../text.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/corrections.ts'
import { userIdOf } from './wire/users.ts'

/** Who says where a user belongs changes both users and groups. */
const changing = ['users:write', 'groups:write'] as const
const tag = 'Group Identity'

const idOf = ({ req }: { req: { param: (name: 'group_id') => string } }) =>
  canonical(req.param('group_id'))

/** Who belongs with whom although the source attribute says otherwise. */
export const corrections = new Hono<Http>()
  .get(
    '/:group_id/corrections',
    operation('listCorrections', 'users:read', 'List the corrections of a definition', {
      schema: wire.ShownCorrections,
      tag,
    }),
    valid('query', wire.CorrectionsQuery),
    async (c) => {
      const query = c.req.valid('query')
      const { replica, workspace } = c.var
      const rows = await listCorrections(replica, workspace, idOf(c), query)
      return c.json(wire.showCorrections(rows, query.size))
    },
  )

  .put(
    '/:group_id/corrections/:user_id',
    operation(
      'correctUser',
      changing,
      'Say where a user belongs, although the source attribute says otherwise: the groups that this ' +
        'touches are formed anew within seconds, and each Monday keeps to it. A full group seats the ' +
        'user once a seat is free',
      { schema: wire.ShownCorrection, tag },
    ),
    jsonBody,
    valid('json', wire.CorrectionDraft),
    async (c) => {
      const { res, workspace } = c.var
      const draft = c.req.valid('json')
      const row = await correct(res, workspace, idOf(c), {
        user: userIdOf(c.req.param('user_id')),
        correction: wire.correctionIn(draft),
        reason: wire.reasonIn(draft.reason),
      })
      return c.json(wire.showCorrection(row))
    },
  )

  .delete(
    '/:group_id/corrections/:user_id',
    operation('takeCorrectionBack', changing, 'Take a correction back', { tag }),
    async (c) => {
      const { res, workspace } = c.var
      await takeBack(res, workspace, idOf(c), userIdOf(c.req.param('user_id')))
      return c.body(null, 204)
    },
  )

  .post(
    '/:group_id/merge',
    operation(
      'mergeGroups',
      changing,
      'Put all members of a group into another one, all or none: a correction of each',
      { schema: wire.ShownMerge, tag },
    ),
    jsonBody,
    valid('json', wire.Merge),
    idempotent<'household.merged'>((c, { corrections }) =>
      Promise.resolve(c.json({ users_corrected: corrections })),
    ),
    async (c) => {
      const { value, into, reason } = c.req.valid('json')
      const merge = { value, into, reason: wire.reasonIn(reason) }
      const merged = await mergeGroups(c.var.res, c.var.workspace, idOf(c), merge)
      return c.json({ users_corrected: merged })
    },
  )

  .post(
    '/:group_id/split',
    operation(
      'splitGroup',
      changing,
      'Put some members of a group into another one, all or none: a correction of each',
      { schema: wire.ShownMerge, tag },
    ),
    jsonBody,
    valid('json', wire.Split),
    idempotent<'household.split'>((c, { corrections }) =>
      Promise.resolve(c.json({ users_corrected: corrections })),
    ),
    async (c) => {
      const { value, into, users, reason } = c.req.valid('json')
      const split = { value, into, reason: wire.reasonIn(reason) }
      const ids = users.map((user) => userIdOf(user, 'users'))
      const parted = await splitGroup(c.var.res, c.var.workspace, idOf(c), { ...split, users: ids })
      return c.json({ users_corrected: parted })
    },
  )
