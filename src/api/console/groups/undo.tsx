import { Hono, type Context } from 'hono'
import { getGroup, type Group } from '../../../experience/groups.ts'
import { revertGroup } from '../../../experience/revert.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { refusedForm } from '../errors.tsx'
import { form } from '../form.ts'
import { Page } from '../parts/page.tsx'
import { FormToken, Refused } from '../parts/fields.tsx'
import { groupPath, jobPath } from '../paths.ts'

/** The way back from the last change of a group, which is checked before it goes live, too. */
export const undo = new Hono<Http>().post(
  '/:group/undo',
  allows('groups:write'),
  form,
  async (c) => {
    const { res, workspace, db } = c.var
    const id = c.req.param('group')
    const draft = { mode: 'preview', maxRemovePercent: null, createdBy: res.actor.name } as const
    // Nobody undoes what they have not seen.
    const seen = c.var.form.get('revision') ?? ''
    try {
      const expected = { header: seen, revisions: [Number(seen)] }
      const job = await revertGroup(res, workspace, id, { ...draft, expected })
      return c.redirect(jobPath(job), 303)
    } catch (error) {
      const refused = refusedForm(error, 'main')
      const { name } = await getGroup(db, workspace, id)
      return c.html(
        <Page c={c} title="Undo" up={{ name, path: groupPath(id) }}>
          <Refused error={refused.error} />
        </Page>,
        refused.status,
      )
    }
  },
)

interface UndoProps {
  c: Context<Http>
  group: Pick<Group, 'id' | 'revision'>
  what?: 'this' | 'the last'
}

/** Undoes the last change of a group, once somebody has seen what that does. */
export const Undo = ({ c, group, what = 'this' }: UndoProps) => (
  <form method="post" action={`${groupPath(group.id)}/undo`}>
    <FormToken c={c} />
    <input type="hidden" name="revision" value={String(group.revision)} />
    <p class="actions">
      <button>Undo {what} change</button>
      <span class="help">First you see who would join and who would leave again.</span>
    </p>
  </form>
)
