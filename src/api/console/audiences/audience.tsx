import { Hono, type Context } from 'hono'
import { attachAudience, detachAudience } from '../../../audiences/attach.ts'
import { deleteAudience, getAudience, listAudiences } from '../../../audiences/audiences.ts'
import { priced } from '../../../audiences/prices.ts'
import { countAudience, listAudience } from '../../../audiences/questions.ts'
import { requestSync } from '../../../audiences/sync.ts'
import { getGroup } from '../../../experience/groups.ts'
import { listJobs } from '../../../experience/jobs.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import * as wire from '../../platform/wire/audiences.ts'
import { questionLimited } from '../../rate-limit.ts'
import { changeScopes, fillScopes } from './scopes.ts'
import { AudienceUsers } from './users.tsx'
import { AudienceView, type Shown } from './view.tsx'
import { chosenGroup, groupsByName } from '../parts/choose-group.tsx'
import { checkConfirmed } from '../parts/confirm.tsx'
import { refusedForm } from '../errors.tsx'
import { form } from '../form.ts'
import { may } from '../parts/page.tsx'
import type { FormError } from '../parts/fields.tsx'
import { shaped } from '../shape.ts'
import { audiencePath, jobPath } from '../paths.ts'

const usersShown = 100
const syncsShown = 5

/** One audience: what it is, whom it has, and which group it fills. */
export const audiencePage = new Hono<Http>()
  .get('/:audience_id', allows('audiences:read'), async (c) =>
    c.html(<AudienceView c={c} {...await shownOf(c, wire.idOf(c))} />),
  )

  .get('/:audience_id/users', allows('audiences:read'), questionLimited, async (c) => {
    const { db, replica, workspace, res } = c.var
    const id = wire.idOf(c)
    const audience = await getAudience(db, workspace, id)
    const asker = { db: replica, workspace, limits: res.limits }
    const [counted, listed] = await Promise.all([
      countAudience(asker, id, c.req.query('continue')),
      listAudience(asker, id, { after: c.req.query('after') ?? '', size: usersShown }),
    ])
    return c.html(<AudienceUsers c={c} audience={audience} counted={counted} listed={listed} />)
  })

  .post('/:audience_id/group', allows(fillScopes), form, async (c) => {
    const { res, workspace } = c.var
    const id = wire.idOf(c)
    return changing(c, id, 'group', async () => {
      const chosen = await chosenGroup(c, 'group', c.var.form.get('group') ?? '')
      const { groupId } = shaped(wire.Attachment, { groupId: chosen })
      await attachAudience(res, workspace, id, groupId)
    })
  })

  .post('/:audience_id/detach', allows(fillScopes), form, async (c) => {
    const id = wire.idOf(c)
    return changing(c, id, 'group', () => detachAudience(c.var.res, c.var.workspace, id))
  })

  .post('/:audience_id/sync', allows(fillScopes), form, async (c) => {
    const { res, workspace, caller } = c.var
    const id = wire.idOf(c)
    return changing(c, id, 'sync', async () => {
      const { mode } = shaped(wire.SyncRequest, { mode: c.var.form.get('mode') ?? 'apply' })
      const job = await requestSync(res, workspace, id, { by: caller.name, mode })
      return may(c, 'groups:read') ? jobPath(job.id) : audiencePath(id)
    })
  })

  .post('/:audience_id/delete', allows(changeScopes), form, async (c) => {
    const { res, workspace, db } = c.var
    const id = wire.idOf(c)
    return changing(c, id, 'confirm', async () => {
      checkConfirmed(c, (await getAudience(db, workspace, id)).name)
      await deleteAudience(res, workspace, id)
      return '/console/audiences'
    })
  })

/** Makes a change and leads on; a refused one is shown on the page that it was sent from. */
async function changing(
  c: Context<Http>,
  id: string,
  field: string,
  change: () => Promise<string | void>,
): Promise<Response> {
  try {
    return c.redirect((await change()) ?? audiencePath(id), 303)
  } catch (error) {
    const { error: shown, status } = refusedForm(error, field)
    return c.html(<AudienceView c={c} {...await shownOf(c, id, shown)} />, status)
  }
}

/** What the page shows. */
async function shownOf(c: Context<Http>, id: string, error?: FormError): Promise<Shown> {
  const { db, workspace, res } = c.var
  const found = await getAudience(db, workspace, id)
  const mayRead = may(c, 'groups:read')
  const [[audience = { ...found, cost: null }], others, groups, group, syncs] = await Promise.all([
    priced(db, workspace, [found], res.limits),
    listAudiences(c.var.replica, workspace),
    groupsByName(c),
    mayRead && found.group !== null ? getGroup(db, workspace, found.group) : undefined,
    mayRead && found.group !== null
      ? listJobs(db, workspace, found.group, {
          ...{ page: 0, size: syncsShown },
          sort: { field: 'createdAt', descending: true },
        })
      : undefined,
  ])
  return { audience, others, groups, group, syncs: syncs?.items ?? [], error }
}
