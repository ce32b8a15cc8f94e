import { Hono, type Context } from 'hono'
import type { z } from 'zod'
import type { Requested } from '../../../experiments/change.ts'
import { createExperiment } from '../../../experiments/create.ts'
import { getExperiment, type WithForced } from '../../../experiments/experiments.ts'
import { updateExperiment } from '../../../experiments/update.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import * as wire from '../../platform/wire/experiments.ts'
import { chosenGroup } from '../parts/choose-group.tsx'
import { ExperimentForm } from './form.tsx'
import { blank, refusedExperiment, saidBy, typedIn, typedOf, withRow, type Typed } from './typed.ts'
import { form } from '../form.ts'
import { may } from '../parts/page.tsx'
import { experimentPath } from '../paths.ts'
import { checkSeen } from '../seen.tsx'
import { shaped } from '../shape.ts'

/** Whether who is signed in may change an experiment, also what is drawn. */
export const mayChange = (c: Context<Http>, { unit }: Pick<WithForced, 'unit'>): boolean =>
  may(c, 'experiments:write') && (unit === null || may(c, 'users:read'))

/** A change of what who is signed in requests. */
export const requested = (
  { var: { caller } }: Context<Http>,
  changes: z.output<typeof wire.ExperimentChanges>,
): Requested => ({
  change: wire.changeOf(changes),
  by: caller.name,
  mayReadUsers: caller.scopes.includes('users:read'),
})

/** What was typed, as the API has it. */
async function said(c: Context<Http>, typed: Typed) {
  const { group_id: group } = typed.lines
  return saidBy(typed, group.trim() === '' ? null : await chosenGroup(c, 'group_id', group))
}

/** Saves what was typed; otherwise the form again, with another row or with what is wrong. */
async function savedOrShown(
  c: Context<Http>,
  typed: Typed,
  before: WithForced | undefined,
  save: () => Promise<Response>,
) {
  if (c.var.form.has('add'))
    return c.html(<ExperimentForm c={c} typed={withRow(typed)} before={before} />)
  try {
    return await save()
  } catch (error) {
    const refused = refusedExperiment(error, 'name')
    const page = <ExperimentForm c={c} typed={typed} before={before} error={refused.error} />
    return c.html(page, refused.status)
  }
}

/** Makes and changes an experiment. */
export const experimentEditing = new Hono<Http>()
  .get('/-/new', allows('experiments:write'), (c) => c.html(<ExperimentForm c={c} typed={blank} />))

  .post('/-/new', allows('experiments:write'), form, async (c) => {
    const { res, workspace } = c.var
    const typed = typedIn(c.var.form)
    return savedOrShown(c, typed, undefined, async () => {
      const given = { ...(await said(c, typed)), id: typed.lines.id.trim() }
      const { id, ...draft } = shaped(wire.NewExperiment, given)
      await createExperiment(res, workspace, id, requested(c, draft))
      return c.redirect(experimentPath(id), 303)
    })
  })

  .get('/:experiment_id/edit', allows('experiments:write'), async (c) => {
    const before = await getExperiment(c.var.db, c.var.workspace, wire.idOf(c))
    return c.html(<ExperimentForm c={c} typed={typedOf(before)} before={before} />)
  })

  .post('/:experiment_id/edit', allows('experiments:write'), form, async (c) => {
    const { res, workspace, db } = c.var
    const typed = typedIn(c.var.form)
    const before = await getExperiment(db, workspace, wire.idOf(c))
    return savedOrShown(c, typed, before, async () => {
      checkSeen(c, before)
      const anew = typed.lines.new_version === 'yes'
      const given = { ...(await said(c, typed)), ...(anew && { new_version: true }) }
      const changes = shaped(wire.ExperimentChanges, given)
      await updateExperiment(res, workspace, before.id, requested(c, changes))
      return c.redirect(experimentPath(before.id), 303)
    })
  })
