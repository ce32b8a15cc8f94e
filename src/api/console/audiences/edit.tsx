import { Hono, type Context } from 'hono'
import {
  createAudience,
  getAudience,
  updateAudience,
  type Audience,
} from '../../../audiences/audiences.ts'
import { previewRule } from '../../../audiences/questions.ts'
import { invalid } from '../../../failure.ts'
import { parseJson, stringifyJson } from '../../../json.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import * as wire from '../../platform/wire/audiences.ts'
import { questionLimited } from '../../rate-limit.ts'
import { AudienceForm, type Typed } from './form.tsx'
import { refusedForm } from '../errors.tsx'
import { form, type Form } from '../form.ts'
import { audiencePath } from '../paths.ts'
import { textOfRule } from './rule.tsx'
import { explainScopes, ruleScopes } from './scopes.ts'
import { checkSeen } from '../seen.tsx'
import { shaped } from '../shape.ts'

const blank: Typed = {
  id: '',
  name: '',
  description: '',
  refresh: 'on_demand',
  rule: stringifyJson(
    { operator: 'and', expressions: [{ operator: 'equals', attribute: '', value: '' }] },
    2,
  ),
}

const typedIn = (fields: Form): Typed => ({
  id: fields.get('id') ?? '',
  name: fields.get('name') ?? '',
  description: fields.get('description') ?? '',
  refresh: fields.get('refresh') ?? '',
  rule: fields.get('rule') ?? '',
})

const typedOf = ({ id, name, description, refresh, rule }: Audience): Typed => ({
  ...{ id, name, description, refresh },
  rule: textOfRule(rule),
})

/** The JSON of a rule. Throws `invalid`. */
function readJson(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    throw invalid('rule', 'is no JSON yet: look for a missing quote, comma or bracket')
  }
}

/** What is wrong with what was typed, on the form. */
function refused(c: Context<Http>, typed: Typed, editing: string | undefined, error: unknown) {
  const { error: shown, status } = refusedForm(error, 'rule')
  return c.html(<AudienceForm c={c} typed={typed} editing={editing} error={shown} />, status)
}

/** Makes and changes an audience, and counts its rule before. */
export const audienceEditing = new Hono<Http>()
  .get('/-/new', allows(ruleScopes), (c) => c.html(<AudienceForm c={c} typed={blank} />))

  .post('/-/new', allows(ruleScopes), form, async (c) => {
    const { res, workspace, caller } = c.var
    const typed = typedIn(c.var.form)
    try {
      const { id: chosen, ...given } = typed
      const said = { ...given, rule: readJson(typed.rule), ...(chosen && { id: chosen }) }
      const { id = crypto.randomUUID(), ...draft } = shaped(wire.NewAudience, said)
      const by = caller.name
      const made = await createAudience(res, workspace, id, { ...wire.draftOf(draft), by })
      return c.redirect(audiencePath(made.id), 303)
    } catch (error) {
      return refused(c, typed, undefined, error)
    }
  })

  .post('/-/count', allows(explainScopes), questionLimited, form, async (c) => {
    const { replica: db, workspace, res } = c.var
    const typed = typedIn(c.var.form)
    const editing = c.var.form.get('editing') || undefined
    const token = c.var.form.get('continue') || undefined
    try {
      const asker = { db, workspace, limits: res.limits }
      const counted = await previewRule(asker, readJson(typed.rule), token)
      return c.html(<AudienceForm c={c} typed={typed} editing={editing} counted={counted} />)
    } catch (error) {
      return refused(c, typed, editing, error)
    }
  })

  .get('/:audience_id/edit', allows(ruleScopes), async (c) => {
    const audience = await getAudience(c.var.db, c.var.workspace, wire.idOf(c))
    const { id, updatedAt } = audience
    return c.html(<AudienceForm c={c} typed={typedOf(audience)} editing={id} seen={updatedAt} />)
  })

  .post('/:audience_id/edit', allows(ruleScopes), form, async (c) => {
    const { res, workspace, caller } = c.var
    const typed = typedIn(c.var.form)
    const id = wire.idOf(c)
    try {
      checkSeen(c, await getAudience(c.var.db, workspace, id))
      const said = { ...typed, rule: readJson(typed.rule) }
      const draft = { ...wire.draftOf(shaped(wire.AudienceChange, said)), by: caller.name }
      await updateAudience(res, workspace, id, draft)
      return c.redirect(audiencePath(id), 303)
    } catch (error) {
      return refused(c, typed, id, error)
    }
  })
