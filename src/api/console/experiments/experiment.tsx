import { Hono, type Context } from 'hono'
import { getBalance, requestBalance } from '../../../experiments/balance.ts'
import { deleteExperiment } from '../../../experiments/erase.ts'
import { getExperiment } from '../../../experiments/experiments.ts'
import { getExposed } from '../../../experiments/exposure-counts.ts'
import { explainAssignment } from '../../../experiments/lookup.ts'
import { setStatus } from '../../../experiments/status.ts'
import { updateExperiment } from '../../../experiments/update.ts'
import { invalid } from '../../../failure.ts'
import { allows } from '../../bearer.ts'
import { forgetsCached } from '../../cached.ts'
import type { Http } from '../../http.ts'
import { showExplanation } from '../../platform/wire/assignments.ts'
import * as wire from '../../platform/wire/experiments.ts'
import { groupsByName } from '../parts/choose-group.tsx'
import { checkConfirmed } from '../parts/confirm.tsx'
import { refusedExperiment, shardsOf } from './typed.ts'
import { ExperimentView, type Shown } from './view.tsx'
import { requested } from './edit.tsx'
import { form } from '../form.ts'
import { may } from '../parts/page.tsx'
import type { FormError } from '../parts/fields.tsx'
import { experimentPath } from '../paths.ts'
import { shaped } from '../shape.ts'

/** A refused form is answered with the page that it is from. */
const changingIt = ['experiments:read', 'experiments:write'] as const

/** One experiment: who has what, how it goes, and what can be done. */
export const experimentPage = new Hono<Http>()
  .get('/:experiment_id', allows('experiments:read'), async (c) =>
    c.html(<ExperimentView c={c} {...await shownOf(c, wire.idOf(c))} />),
  )

  .post('/:experiment_id/status', allows(changingIt), form, async (c) => {
    const { res, workspace, caller, db } = c.var
    const id = wire.idOf(c)
    return changing(c, id, async () => {
      const to = nextOf(c.var.form.get('to'))
      if (to === 'ended')
        checkConfirmed(c, (await getExperiment(db, workspace, id)).name, { field: 'end' })
      await setStatus(res, workspace, id, { to, by: caller.name })
    })
  })

  .post('/:experiment_id/traffic', allows(changingIt), form, async (c) => {
    const { res, workspace } = c.var
    const id = wire.idOf(c)
    return changing(c, id, async () => {
      const said = { traffic: shardsOf(c.var.form.get('traffic') ?? '') ?? Number.NaN }
      const changes = shaped(wire.ExperimentChanges, said)
      await updateExperiment(res, workspace, id, requested(c, changes))
    })
  })

  .post('/:experiment_id/balance', allows(changingIt), form, async (c) => {
    const id = wire.idOf(c)
    return changing(c, id, async () => {
      await requestBalance(c.var.res, c.var.workspace, id)
      return `${experimentPath(id)}#balance`
    })
  })

  .post('/:experiment_id/delete', allows(changingIt), form, forgetsCached, async (c) => {
    const { res, workspace, db } = c.var
    const id = wire.idOf(c)
    return changing(c, id, async () => {
      checkConfirmed(c, (await getExperiment(db, workspace, id)).name)
      await deleteExperiment(res, workspace, id)
      return '/console/experiments'
    })
  })

function nextOf(to: string | null) {
  if (to === 'running' || to === 'paused' || to === 'ended') return to
  throw invalid('status', 'is no status that it can have')
}

/** Makes a change and leads on; a refused one is shown on the page that it was sent from. */
async function changing(
  c: Context<Http>,
  id: string,
  change: () => Promise<string | void>,
): Promise<Response> {
  try {
    return c.redirect((await change()) ?? experimentPath(id), 303)
  } catch (error) {
    const refused = refusedExperiment(error, 'status')
    return c.html(<ExperimentView c={c} {...await shownOf(c, id, refused.error)} />, refused.status)
  }
}

/** What the page shows. */
async function shownOf(c: Context<Http>, id: string, error?: FormError): Promise<Shown> {
  const { db, replica, workspace } = c.var
  const experiment = await getExperiment(db, workspace, id)
  const person = c.req.query('person') ?? ''
  const mayReadUsers = may(c, 'users:read')
  const [groups, balance, exposed, explained] = await Promise.all([
    groupsByName(c),
    experiment.group === null ? undefined : getBalance(db, workspace, id),
    getExposed(replica, workspace, id),
    person === '' ? undefined : explainAssignment(replica, workspace, id, person),
  ])
  const explanation = explained && showExplanation(person, explained, mayReadUsers)
  const group = groups.find((one) => one.id === experiment.group)
  return { experiment, group, balance, exposed, explanation, error }
}
