import { Hono } from 'hono'
import { readAttributes } from '../../identity/attributes.ts'
import { explain } from '../../identity/explain.ts'
import { deleteUser, getProfile, mergeUser, replaceUser } from '../../identity/profiles.ts'
import { Failure } from '../../failure.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/users.ts'

/** Users and what is known of them, their own and inherited (CONTRACT 4, "Users"). */
export const users = new Hono<Http>()
  .put(
    '/:user_id',
    operation(
      'replaceUser',
      'users:write',
      'Give a user these attributes and no others',
      wire.ShownUser,
    ),
    allows('users:write'),
    jsonBody,
    valid('json', wire.UserChange),
    async (c) => {
      const { res, workspace } = c.var
      const changes = readAttributes(c.req.valid('json').user_attributes)
      const user = wire.userIdOf(c.req.param('user_id'))
      return c.json(wire.showUser(await replaceUser(res, workspace, user, changes)))
    },
  )

  .patch(
    '/:user_id',
    operation('mergeUser', 'users:write', 'Merge attributes into those of a user', wire.ShownUser),
    allows('users:write'),
    jsonBody,
    valid('json', wire.UserChange),
    async (c) => {
      const { res, workspace } = c.var
      const changes = readAttributes(c.req.valid('json').user_attributes)
      const user = wire.userIdOf(c.req.param('user_id'))
      return c.json(wire.showUser(await mergeUser(res, workspace, user, changes)))
    },
  )

  .get(
    '/:user_id',
    operation(
      'getUser',
      'users:read',
      'A user: own and inherited attributes, and groups',
      wire.ShownUser,
    ),
    allows('users:read'),
    async (c) =>
      c.json(
        wire.showUser(
          await getProfile(c.var.db, c.var.workspace, wire.userIdOf(c.req.param('user_id'))),
        ),
      ),
  )

  .delete(
    '/:user_id',
    operation(
      'deleteUser',
      'users:write',
      'Delete a user and all that is known of them',
      undefined,
    ),
    allows('users:write'),
    async (c) => {
      const { res, workspace } = c.var
      await deleteUser(res, workspace, wire.userIdOf(c.req.param('user_id')))
      return c.body(null, 204)
    },
  )

  .get(
    '/:user_id/attributes/:name/explain',
    operation(
      'explainAttribute',
      'users:read',
      'Why a user has an inherited attribute',
      wire.ShownExplanation,
    ),
    allows('users:read'),
    async (c) => {
      const name = c.req.param('name')
      return c.json(
        wire.showExplanation(
          name,
          await explain(c.var.db, c.var.workspace, wire.userIdOf(c.req.param('user_id')), name),
        ),
      )
    },
  )

  .all('/', () => {
    throw new Failure({ reason: 'user-missing' })
  })
