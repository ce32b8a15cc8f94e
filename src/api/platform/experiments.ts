import { Hono, type Context } from 'hono'
import { z } from 'zod'
import type { ExperimentChange, Requested } from '../../experiments/change.ts'
import { createExperiment } from '../../experiments/create.ts'
import { deleteExperiment } from '../../experiments/erase.ts'
import { getExperiment, listExperiments, type WithForced } from '../../experiments/experiments.ts'
import { setStatus, type NextStatus } from '../../experiments/status.ts'
import { updateExperiment } from '../../experiments/update.ts'
import { forgetsCached } from '../cached.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/experiments.ts'

const showOne = (c: Context<Http>, experiment: WithForced) =>
  c.json(wire.showExperiment(experiment, experiment.forced))

/** A change that a client requests. */
const requested = ({ caller }: Http['Variables'], change: ExperimentChange): Requested => ({
  ...{ change, by: caller.name },
  mayReadUsers: caller.scopes.includes('users:read'),
})

/** A handler that gives an experiment a status. */
const set = (to: NextStatus) => async (c: Context<Http, '/:experiment_id'>) => {
  const { res, workspace, caller } = c.var
  return showOne(c, await setStatus(res, workspace, wire.idOf(c), { to, by: caller.name }))
}

/** Experiments: what they split, into which variants, and whether they run. */
export const experiments = new Hono<Http>()
  .get(
    '/',
    operation(
      'listExperiments',
      'experiments:read',
      'List the experiments, without whom their variants are forced on',
      z.array(wire.ShownExperiment),
    ),
    async (c) => {
      const listed = await listExperiments(c.var.replica, c.var.workspace)
      return c.json(listed.map((experiment) => wire.showExperiment(experiment)))
    },
  )

  .post(
    '/',
    operation(
      'createExperiment',
      'experiments:write',
      'Create an experiment as a draft; to draw households takes users:read, too',
      wire.ShownExperiment,
    ),
    jsonBody,
    valid('json', wire.NewExperiment),
    idempotent<'experiment.created'>(async (c, { experiment_id }) =>
      showOne(c, await getExperiment(c.var.db, c.var.workspace, experiment_id)),
    ),
    async (c) => {
      const { res, workspace } = c.var
      const { id, ...draft } = c.req.valid('json')
      const given = requested(c.var, wire.changeOf(draft))
      return showOne(c, await createExperiment(res, workspace, id, given))
    },
  )

  .get(
    '/:experiment_id',
    operation('getExperiment', 'experiments:read', 'Get an experiment', wire.ShownExperiment),
    async (c) => showOne(c, await getExperiment(c.var.db, c.var.workspace, wire.idOf(c))),
  )

  .put(
    '/:experiment_id',
    operation(
      'changeExperiment',
      'experiments:write',
      'Change an experiment; what is not given stays, and null removes. Where households are drawn, ' +
        'it takes users:read, too',
      wire.ShownExperiment,
    ),
    jsonBody,
    valid('json', wire.ExperimentChanges),
    async (c) => {
      const { res, workspace } = c.var
      const given = requested(c.var, wire.changeOf(c.req.valid('json')))
      return showOne(c, await updateExperiment(res, workspace, wire.idOf(c), given))
    },
  )

  .delete(
    '/:experiment_id',
    operation(
      'deleteExperiment',
      'experiments:write',
      'Delete an experiment that is a draft or has ended, and all that is kept of it',
    ),
    forgetsCached,
    async (c) => {
      await deleteExperiment(c.var.res, c.var.workspace, wire.idOf(c))
      return c.body(null, 204)
    },
  )

  .post(
    '/:experiment_id/start',
    operation(
      'startExperiment',
      'experiments:write',
      'Start an experiment, or let it go on after a pause',
      wire.ShownExperiment,
    ),
    set('running'),
  )

  .post(
    '/:experiment_id/pause',
    operation(
      'pauseExperiment',
      'experiments:write',
      'Pause an experiment: until it goes on, nobody has a variant',
      wire.ShownExperiment,
    ),
    set('paused'),
  )

  .post(
    '/:experiment_id/end',
    operation(
      'endExperiment',
      'experiments:write',
      'End an experiment that has started, for good',
      wire.ShownExperiment,
    ),
    set('ended'),
  )
