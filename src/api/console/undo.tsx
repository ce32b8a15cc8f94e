import { Hono, type Context } from 'hono'
import { getGroup } from '../../experience/groups.ts'
import { revertGroup } from '../../experience/revert.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { refusedForm } from './errors.tsx'
import { form } from './form.ts'
import { Page } from './page.tsx'
import { FormToken, Refused } from './parts.tsx'

/** The way back from the last change of a group, which is checked before it goes live, too. */
export const undo = new Hono<Http>().post(
  '/:group/undo',
  allows('groups:write'),
  form,
  async (c) => {
    const { res, workspace, db } = c.var
    const id = c.req.param('group')
    const draft = { mode: 'preview', maxRemovePercent: null, createdBy: res.actor.name } as const
    try {
      return c.redirect(`/console/jobs/${await revertGroup(res, workspace, id, draft)}`, 303)
    } catch (error) {
      const refused = refusedForm(error, 'main')
      const { name } = await getGroup(db, workspace, id)
      return c.html(
        <Page c={c} title="Undo" up={{ name, path: `/console/groups/${id}` }}>
          <Refused error={refused.error} />
        </Page>,
        refused.status,
      )
    }
  },
)

interface UndoProps {
  c: Context<Http>
  group: string
  what?: 'this' | 'the last'
}

/** Undoes the last change of a group, once somebody has seen what that does. */
export const Undo = ({ c, group, what = 'this' }: UndoProps) => (
  <form method="post" action={`/console/groups/${group}/undo`}>
    <FormToken c={c} />
    <p class="actions">
      <button>Undo {what} change</button>
      <span class="help">First you see who would join and who would leave again.</span>
    </p>
  </form>
)
