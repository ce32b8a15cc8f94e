import { Hono, type Context } from 'hono'
import { z } from 'zod'
import {
  createDefinition,
  getDefinition,
  listDefinitions,
  updateDefinition,
  type DefinitionDraft,
} from '../../identity/definitions.ts'
import { deleteDefinition } from '../../identity/erase.ts'
import { listHouseholds } from '../../identity/households.ts'
import { requestRecompute } from '../../identity/recompute.ts'
import { getRun, listRuns } from '../../identity/runs.ts'
import { canonical } from '../../text.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/groups.ts'
import { ShownRun, showRun } from './wire/runs.ts'

const idOf = ({ req }: { req: { param: (name: 'group_id') => string } }) =>
  canonical(req.param('group_id'))

const update = async (c: Context<Http, '/:group_id'>, change: Partial<DefinitionDraft>) => {
  const { res, workspace, caller } = c.var
  const by = caller.name
  const definition = await updateDefinition(res, workspace, idOf(c), { change, by })
  return c.json(wire.showDefinition(definition))
}

const showOne = async (c: Context<Http>, id: string) =>
  c.json(wire.showDefinition(await getDefinition(c.var.db, c.var.workspace, id)))

/** Group definitions, their runs and the groups that have formed. */
export const groups = new Hono<Http>()
  .get(
    '/',
    operation(
      'listDefinitions',
      'groups:read',
      'List the group definitions',
      z.array(wire.ShownDefinition),
    ),
    async (c) =>
      c.json((await listDefinitions(c.var.replica, c.var.workspace)).map(wire.showDefinition)),
  )

  .post(
    '/',
    operation(
      'createDefinition',
      'groups:write',
      'Create a group definition',
      wire.ShownDefinition,
    ),
    jsonBody,
    valid('json', wire.NewDefinition),
    idempotent<'definition.created'>((c, { definition_id }) => showOne(c, definition_id)),
    async (c) => {
      const { res, workspace, caller } = c.var
      const draft = c.req.valid('json')
      const definition = await createDefinition(res, workspace, draft.id, {
        draft: wire.draftOf(draft),
        by: caller.name,
      })
      return c.json(wire.showDefinition(definition))
    },
  )

  .get(
    '/:group_id',
    operation('getDefinition', 'groups:read', 'Get a group definition', wire.ShownDefinition),
    (c) => showOne(c, idOf(c)),
  )

  .put(
    '/:group_id',
    operation(
      'replaceDefinition',
      'groups:write',
      'Change a group definition; fields that are not given stay',
      wire.ShownDefinition,
    ),
    jsonBody,
    valid('json', wire.DefinitionChange),
    (c) => update(c, wire.changeOf(c.req.valid('json'))),
  )

  .patch(
    '/:group_id',
    operation(
      'setDefinitionAttributes',
      'groups:write',
      'Replace the shared attributes of a group definition',
      wire.ShownDefinition,
    ),
    jsonBody,
    valid('json', wire.AttributesChange),
    (c) => update(c, c.req.valid('json')),
  )

  .delete(
    '/:group_id',
    operation(
      'deleteDefinition',
      'groups:write',
      'Delete a group definition, and the attributes that users inherit by it',
    ),
    async (c) => {
      await deleteDefinition(c.var.res, c.var.workspace, idOf(c))
      return c.body(null, 204)
    },
  )

  .post(
    '/:group_id/recompute',
    operation(
      'recompute',
      'groups:write',
      'Form the groups of a definition again now, besides the run of every Monday',
      { schema: ShownRun, status: 202 },
    ),
    idempotent<'recompute.requested'>(async (c, { definition_id, run_id }) => {
      const { db, workspace, caller } = c.var
      const run = await getRun(db, workspace, definition_id, run_id)
      return c.json(showRun(run, caller), 202)
    }),
    async (c) => {
      const { res, workspace, caller } = c.var
      return c.json(showRun(await requestRecompute(res, workspace, idOf(c)), caller), 202)
    },
  )

  .get(
    '/:group_id/runs',
    operation(
      'listRuns',
      'groups:read',
      'List the last hundred runs of a definition, newest first',
      z.array(ShownRun),
    ),
    async (c) => {
      const runs = await listRuns(c.var.replica, c.var.workspace, idOf(c))
      return c.json(runs.map((run) => showRun(run, c.var.caller)))
    },
  )

  .get(
    '/:group_id/runs/:run_id',
    operation('getRun', 'groups:read', 'Get a run: its progress and its outcome', ShownRun),
    async (c) => {
      const { db, workspace, caller } = c.var
      const run = await getRun(db, workspace, idOf(c), c.req.param('run_id'))
      return c.json(showRun(run, caller))
    },
  )

  .get(
    '/:group_id/instances',
    operation(
      'listInstances',
      'users:read',
      'List the groups that have formed, their members and shared attributes',
      { schema: wire.ShownInstances, tag: 'Group Identity' },
    ),
    valid('query', wire.InstanceQuery),
    async (c) => {
      const { replica, workspace, res } = c.var
      const { value, after, size } = c.req.valid('query')
      const query = value === undefined ? { after, size } : { value }
      const { groupUsersMax } = res.limits
      const page = await listHouseholds(replica, workspace, idOf(c), { ...query, groupUsersMax })
      return c.json(wire.showInstances(idOf(c), page))
    },
  )
