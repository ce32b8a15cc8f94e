import { Hono, type Context } from 'hono'
import { readAttributes } from '../../identity/attributes.ts'
import { explain } from '../../identity/explain.ts'
import { deleteUser } from '../../identity/delete-user.ts'
import { getProfile, mergeUser, replaceUser } from '../../identity/profiles.ts'
import { Failure } from '../../failure.ts'
import type { Http } from '../http.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/users.ts'

const idOf = ({ req }: { req: { param: (name: 'user_id') => string } }) =>
  wire.userIdOf(req.param('user_id'))

const change = async (
  c: Context<Http, '/:user_id'>,
  { user_attributes }: wire.UserChange,
  apply: typeof mergeUser,
) => {
  const { workspace, res, caller } = c.var
  const changes = readAttributes(user_attributes)
  const profile = await apply(res, workspace, idOf(c), changes)
  const mayRead = caller.scopes.includes('users:read')
  return c.json(wire.showUser(mayRead ? profile : { ...profile, attributes: [], groups: [] }))
}

/** Users and their attributes, own and inherited. */
export const users = new Hono<Http>()
  .put(
    '/:user_id',
    operation(
      'replaceUser',
      'users:write',
      'Replace all attributes of a user, who is shown without them unless with users:read',
      wire.ShownUser,
    ),
    jsonBody,
    valid('json', wire.UserChange),
    (c) => change(c, c.req.valid('json'), replaceUser),
  )

  .patch(
    '/:user_id',
    operation(
      'mergeUser',
      'users:write',
      'Set some attributes of a user, who is shown without any unless with users:read',
      wire.ShownUser,
    ),
    jsonBody,
    valid('json', wire.UserChange),
    (c) => change(c, c.req.valid('json'), mergeUser),
  )

  .get(
    '/:user_id',
    operation(
      'getUser',
      'users:read',
      'Get a user: own and inherited attributes, and groups',
      wire.ShownUser,
    ),
    async (c) => c.json(wire.showUser(await getProfile(c.var.replica, c.var.workspace, idOf(c)))),
  )

  .delete(
    '/:user_id',
    operation('deleteUser', 'users:write', 'Delete a user and all attributes'),
    async (c) => {
      const { workspace, res } = c.var
      await deleteUser(res, workspace, idOf(c))
      return c.body(null, 204)
    },
  )

  .get(
    '/:user_id/attributes/:name/explain',
    operation(
      'explainAttribute',
      'users:read',
      'Explain why a user has an inherited attribute',
      wire.ShownExplanation,
    ),
    async (c) => {
      const { replica, workspace } = c.var
      const name = c.req.param('name')
      return c.json(wire.showExplanation(name, await explain(replica, workspace, idOf(c), name)))
    },
  )

  .all('/', () => {
    throw new Failure({ reason: 'user-missing' })
  })
