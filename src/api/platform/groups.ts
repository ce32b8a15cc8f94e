import { Hono } from 'hono'
import { z } from 'zod'
import {
  createDefinition,
  getDefinition,
  listDefinitions,
  updateDefinition,
} from '../../identity/definitions.ts'
import { deleteDefinition } from '../../identity/erase.ts'
import { listHouseholds } from '../../identity/households.ts'
import { getRun, listRuns } from '../../identity/runs.ts'
import { requestRecompute } from '../../identity/recompute.ts'
import { canonical } from '../../text.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/groups.ts'

/** Definitions, their runs and the groups that have formed (CONTRACT 4). */
export const groups = new Hono<Http>()
  .get(
    '/',
    operation(
      'listDefinitions',
      'groups:read',
      'All group definitions',
      z.array(wire.ShownDefinition),
    ),
    allows('groups:read'),
    async (c) =>
      c.json((await listDefinitions(c.var.db, c.var.workspace)).map(wire.showDefinition)),
  )

  .post(
    '/',
    operation(
      'createDefinition',
      'groups:write',
      'Create a group definition',
      wire.ShownDefinition,
    ),
    allows('groups:write'),
    jsonBody,
    valid('json', wire.NewDefinition),
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
    operation('getDefinition', 'groups:read', 'One group definition', wire.ShownDefinition),
    allows('groups:read'),
    async (c) =>
      c.json(
        wire.showDefinition(
          await getDefinition(c.var.db, c.var.workspace, canonical(c.req.param('group_id'))),
        ),
      ),
  )

  .put(
    '/:group_id',
    operation(
      'replaceDefinition',
      'groups:write',
      'Change what is named of a group definition',
      wire.ShownDefinition,
    ),
    allows('groups:write'),
    jsonBody,
    valid('json', wire.DefinitionChange),
    async (c) => {
      const { res, workspace, caller } = c.var
      const change = wire.changeOf(c.req.valid('json'))
      const id = canonical(c.req.param('group_id'))
      const definition = await updateDefinition(res, workspace, id, { change, by: caller.name })
      return c.json(wire.showDefinition(definition))
    },
  )

  .patch(
    '/:group_id',
    operation(
      'setDefinitionAttributes',
      'groups:write',
      'Replace the attributes of a group definition',
      wire.ShownDefinition,
    ),
    allows('groups:write'),
    jsonBody,
    valid('json', wire.AttributesChange),
    async (c) => {
      const { res, workspace, caller } = c.var
      const change = c.req.valid('json')
      const id = canonical(c.req.param('group_id'))
      const definition = await updateDefinition(res, workspace, id, { change, by: caller.name })
      return c.json(wire.showDefinition(definition))
    },
  )

  .delete(
    '/:group_id',
    operation(
      'deleteDefinition',
      'groups:write',
      'Delete a group definition, and what users have inherited by it',
      undefined,
    ),
    allows('groups:write'),
    async (c) => {
      await deleteDefinition(c.var.res, c.var.workspace, canonical(c.req.param('group_id')))
      return c.body(null, 204)
    },
  )

  .post(
    '/:group_id/recompute',
    operation(
      'recompute',
      'groups:write',
      'Form the groups anew now, beside the run of every Monday',
      wire.ShownRun,
      { status: 202 },
    ),
    allows('groups:write'),
    async (c) =>
      c.json(
        wire.showRun(
          await requestRecompute(c.var.res, c.var.workspace, canonical(c.req.param('group_id'))),
        ),
        202,
      ),
  )

  .get(
    '/:group_id/runs',
    operation(
      'listRuns',
      'groups:read',
      'The last hundred runs, newest first',
      z.array(wire.ShownRun),
    ),
    allows('groups:read'),
    async (c) =>
      c.json(
        (await listRuns(c.var.db, c.var.workspace, canonical(c.req.param('group_id')))).map(
          wire.showRun,
        ),
      ),
  )

  .get(
    '/:group_id/runs/:run_id',
    operation(
      'getRun',
      'groups:read',
      'One run: how far it is, and what it has done',
      wire.ShownRun,
    ),
    allows('groups:read'),
    async (c) =>
      c.json(
        wire.showRun(
          await getRun(
            c.var.db,
            c.var.workspace,
            canonical(c.req.param('group_id')),
            c.req.param('run_id'),
          ),
        ),
      ),
  )

  .get(
    '/:group_id/instances',
    operation(
      'listInstances',
      'groups:read',
      'The groups that have formed, their members and what they share',
      wire.ShownInstances,
    ),
    allows('groups:read'),
    valid('query', wire.InstanceQuery),
    async (c) => {
      const { db, workspace, res } = c.var
      const { value, after, size } = c.req.valid('query')
      const id = canonical(c.req.param('group_id'))
      const { groupUsersMax } = res.limits
      const query = value === undefined ? { after, size } : { value }
      return c.json(
        wire.showInstances(
          id,
          await listHouseholds(db, workspace, id, { ...query, groupUsersMax }),
        ),
      )
    },
  )
