import { Hono, type Context } from 'hono'
import { deleteGroup } from '../../../experience/delete-group.ts'
import { getGroup, renameGroup, type Group } from '../../../experience/groups.ts'
import { invalid } from '../../../failure.ts'
import { allows } from '../../bearer.ts'
import { forgetsCached } from '../../cached.ts'
import type { Http } from '../../http.ts'
import { refusedForm } from '../errors.tsx'
import { form, type Form } from '../form.ts'
import { checkConfirmed, Confirm } from '../parts/confirm.tsx'
import { Page } from '../parts/page.tsx'
import { FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { plural } from '../parts/figures.tsx'
import { groupPath } from '../paths.ts'

/** What a group is called, how it is guarded, and its end. */
export const groupSettings = new Hono<Http>()
  .get('/:group/settings', allows('groups:write'), async (c) => {
    const group = await getGroup(c.var.db, c.var.workspace, c.req.param('group'))
    return c.html(<Settings c={c} group={group} draft={draftOf(group)} />)
  })

  .post('/:group/settings', allows('groups:write'), form, async (c) => {
    const { res, workspace, form } = c.var
    const id = c.req.param('group')
    const draft = sentDraft(form)
    try {
      const changes = { ...draft, maxRemovePercent: percentOf(draft.maxRemovePercent) }
      await renameGroup(res, workspace, id, changes)
      return c.redirect(groupPath(id), 303)
    } catch (error) {
      const refused = refusedForm(error, 'name')
      const group = await getGroup(c.var.db, workspace, id)
      const page = <Settings {...{ c, group, draft, error: refused.error }} />
      return c.html(page, refused.status)
    }
  })

  .post('/:group/delete', allows('groups:write'), form, forgetsCached, async (c) => {
    const { res, workspace } = c.var
    const group = await getGroup(c.var.db, workspace, c.req.param('group'))
    try {
      checkConfirmed(c, group.name)
      await deleteGroup(res, workspace, group.id)
      return c.redirect('/console/groups', 303)
    } catch (error) {
      const refused = refusedForm(error, 'confirm')
      const shown = { group, draft: draftOf(group), error: refused.error }
      return c.html(<Settings c={c} {...shown} />, refused.status)
    }
  })

/** As the form has it. */
interface Draft {
  name: string
  description: string
  maxRemovePercent: string
}

const draftOf = ({ name, description, maxRemovePercent }: Group): Draft => ({
  name,
  description: description ?? '',
  maxRemovePercent: maxRemovePercent === null ? '' : String(maxRemovePercent),
})

const sentDraft = (form: Form): Draft => ({
  name: form.get('name') ?? '',
  description: form.get('description') ?? '',
  maxRemovePercent: (form.get('maxRemovePercent') ?? '').trim(),
})

function percentOf(text: string): number | null {
  if (text === '') return null
  if (!/^(\d{1,2}|100)$/.test(text))
    throw invalid('maxRemovePercent', 'must be a whole number from 0 to 100')
  return Number(text)
}

interface SettingsProps {
  c: Context<Http>
  group: Group
  draft: Draft
  error?: FormError
}

function Settings({ c, group, draft, error }: SettingsProps) {
  const path = groupPath(group.id)
  const usual = c.var.res.limits.maxRemovePercent
  return (
    <Page
      c={c}
      title="Settings"
      about="What the group is called, and how many may leave at once."
      up={{ name: group.name, path }}
    >
      <Refused error={error} />
      <form method="post" action={`${path}/settings`}>
        <FormToken c={c} />
        <TextField name="name" label="Name" value={draft.name} error={error} isRequired />
        <TextField
          name="description"
          label="Description"
          help="What the group is for. Optional."
          value={draft.description}
          error={error}
        />
        <TextField
          name="maxRemovePercent"
          label="Guard, in percent"
          help={
            'A change that removes a larger share of 100 or more participants waits until somebody ' +
            `confirms the number. Empty: ${usual === 100 ? 'no guard' : `${usual} %`}.`
          }
          value={draft.maxRemovePercent}
          error={error}
        />
        <button class="main">Save the settings</button>
      </form>
      <Confirm
        {...{ c, error, action: `${path}/delete` }}
        title="Delete this group"
        warning={consequence(group)}
        button="Delete the group"
      />
    </Page>
  )
}

const consequence = ({ participantCount }: Group): string =>
  participantCount === 0
    ? 'Nobody is in it. Its history goes with it, and nothing brings it back.'
    : `${plural(participantCount, 'participant')} will no longer be in this group. Rollouts and experiments no ` +
      'longer find it, and its history goes with it. Nothing brings it back.'
