import { Hono, type Context } from 'hono'
import {
  createDefinition,
  getDefinition,
  updateDefinition,
  type GroupDefinition,
} from '../../../identity/definitions.ts'
import { deleteDefinition } from '../../../identity/erase.ts'
import { listHouseholds } from '../../../identity/households.ts'
import { getPreview, openPreview } from '../../../identity/previews.ts'
import { requestRecompute } from '../../../identity/recompute.ts'
import { getRun, listDefinitionsWithRuns, listRuns, type Run } from '../../../identity/runs.ts'
import { canonical } from '../../../text.ts'
import { allows } from '../../bearer.ts'
import { questionLimited } from '../../rate-limit.ts'
import type { Http } from '../../http.ts'
import { DefinitionPage } from './definition.tsx'
import {
  blank,
  fieldsOf,
  readChange,
  readDraft,
  readPreviewed,
  readTyped,
  typedOf,
} from './definition-typed.ts'
import { ChangeDefinition, Definitions, NewDefinition } from './definitions.tsx'
import { refusedForm } from '../errors.tsx'
import { form } from '../form.ts'
import { checkSeen } from '../seen.tsx'
import { AllHouseholds, OneHousehold } from './look.tsx'
import { checkConfirmed } from '../parts/confirm.tsx'
import { definitionPath, runPath } from '../paths.ts'
import { previewing } from './preview.tsx'
import { RunPage } from './runs.tsx'

const householdsOfPage = 20

type Of = Context<Http, '/:definition'>

const idOf = (c: Of): string => canonical(c.req.param('definition'))

const definitionOf = (c: Of): Promise<GroupDefinition> =>
  getDefinition(c.var.db, c.var.workspace, idOf(c))

const runsOf = (c: Context<Http>, id: string): Promise<Run[]> =>
  listRuns(c.var.replica, c.var.workspace, id)

const toDefinition = (c: Context<Http>, id: string) => c.redirect(definitionPath(id), 303)

/** Group definitions, what each Monday made of them, and the households. */
export const households = new Hono<Http>()
  .get('/', allows('groups:read'), async (c) => {
    const found = await listDefinitionsWithRuns(c.var.replica, c.var.workspace)
    return c.html(<Definitions c={c} {...found} />)
  })

  // No definition has an id so short.
  .get('/-/new', allows('groups:write'), (c) => c.html(<NewDefinition c={c} typed={blank} />))

  .post('/-/new', allows('groups:write'), form, async (c) => {
    const { res, workspace, caller } = c.var
    const typed = readTyped(c.var.form)
    try {
      const { id, draft } = readDraft(typed)
      await createDefinition(res, workspace, id, { draft, by: caller.name })
      return toDefinition(c, id)
    } catch (error) {
      const refused = refusedForm(error, 'id', fieldsOf(typed))
      return c.html(<NewDefinition c={c} typed={typed} error={refused.error} />, refused.status)
    }
  })

  .post('/-/preview', allows(previewing), questionLimited, form, async (c) => {
    const { res, workspace } = c.var
    const typed = readTyped(c.var.form)
    const asked = c.var.form.get('preview')
    try {
      const preview =
        asked === null
          ? await openPreview(res, workspace, readPreviewed(typed))
          : await getPreview(res, workspace, asked)
      return c.html(<NewDefinition c={c} typed={typed} preview={preview} />)
    } catch (error) {
      const refused = refusedForm(error, 'source', fieldsOf(typed))
      return c.html(<NewDefinition c={c} typed={typed} error={refused.error} />, refused.status)
    }
  })

  .get('/:definition', allows('groups:read'), async (c) => {
    const [definition, runs] = await Promise.all([definitionOf(c), runsOf(c, idOf(c))])
    return c.html(<DefinitionPage c={c} definition={definition} runs={runs} />)
  })

  .get('/:definition/change', allows(['groups:read', 'groups:write']), async (c) => {
    const definition = await definitionOf(c)
    const seen = definition.updatedAt
    return c.html(<ChangeDefinition c={c} typed={typedOf(definition)} seen={seen} />)
  })

  .post('/:definition/change', allows(['groups:read', 'groups:write']), form, async (c) => {
    const { res, workspace, caller } = c.var
    const definition = await definitionOf(c)
    const before = typedOf(definition)
    const typed = { ...readTyped(c.var.form), id: before.id }
    try {
      checkSeen(c, definition)
      const change = readChange(typed, before)
      await updateDefinition(res, workspace, before.id, { change, by: caller.name })
      return toDefinition(c, before.id)
    } catch (error) {
      const refused = refusedForm(error, 'attribute-0', fieldsOf(typed))
      return c.html(<ChangeDefinition c={c} typed={typed} error={refused.error} />, refused.status)
    }
  })

  .post('/:definition/recompute', allows('groups:write'), form, async (c) => {
    const run = await requestRecompute(c.var.res, c.var.workspace, idOf(c))
    return c.redirect(runPath(idOf(c), run), 303)
  })

  .get('/:definition/runs/:run', allows('groups:read'), async (c) => {
    const run = await getRun(c.var.db, c.var.workspace, idOf(c), c.req.param('run'))
    return c.html(<RunPage c={c} definition={idOf(c)} run={run} />)
  })

  .get('/:definition/look', allows('users:read'), async (c) => {
    const { replica, workspace, res } = c.var
    const { groupUsersMax } = res.limits
    const { value, after = '' } = c.req.query()
    const definition = idOf(c)
    if (value !== undefined && value.trim() !== '') {
      const query = { value, groupUsersMax }
      const { households } = await listHouseholds(replica, workspace, definition, query)
      return c.html(<OneHousehold c={c} {...{ definition, value }} household={households[0]} />)
    }
    const query = { after, size: householdsOfPage, groupUsersMax }
    const page = await listHouseholds(replica, workspace, definition, query)
    return c.html(<AllHouseholds c={c} definition={definition} after={after} {...page} />)
  })

  .post('/:definition/delete', allows(['groups:read', 'groups:write']), form, async (c) => {
    const id = idOf(c)
    try {
      checkConfirmed(c, id)
      await deleteDefinition(c.var.res, c.var.workspace, id)
      return c.redirect('/console/households', 303)
    } catch (error) {
      const refused = refusedForm(error, 'confirm')
      const [definition, runs] = await Promise.all([definitionOf(c), runsOf(c, id)])
      const again = { definition, runs, error: refused.error }
      return c.html(<DefinitionPage c={c} {...again} />, refused.status)
    }
  })
