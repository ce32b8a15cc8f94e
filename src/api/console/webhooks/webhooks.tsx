import { Hono, type Context } from 'hono'
import { listDeliveries, replay, retryDelivery } from '../../../webhooks/history.ts'
import {
  createWebhook,
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  getWebhook,
  listWebhooks,
  rotateSecret,
  updateWebhook,
  type SubscriptionDraft,
} from '../../../webhooks/subscriptions.ts'
import { testWebhook } from '../../../webhooks/test-event.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import {
  DeliveriesQuery,
  draftOf,
  Replay,
  replayOf,
  WebhookChange,
} from '../../platform/wire/webhooks.ts'
import { refusedForm } from '../errors.tsx'
import { form, once, type Form } from '../form.ts'
import { shaped } from '../shape.ts'
import { checkConfirmed } from '../parts/confirm.tsx'
import type { FormError } from '../parts/fields.tsx'
import { Secret, WebhookForm, type Typed } from './form.tsx'
import { Webhooks } from './list.tsx'
import { hostOf } from './words.tsx'
import { WebhookPage } from './page.tsx'
import { webhookPath } from '../paths.ts'

const size = 50
const deliveriesSize = 25

const idOf = ({ req }: { req: { param: (name: 'id') => string } }) => req.param('id')

const typedIn = (fields: Form): Typed => ({
  url: fields.get('url') ?? '',
  description: fields.get('description') ?? '',
  eventTypes: fields.get('which') === 'chosen' ? fields.getAll('event_types') : null,
})

/** Throws what the API throws for the same. */
const readDraft = ({ url, description, eventTypes }: Typed): SubscriptionDraft =>
  draftOf(shaped(WebhookChange, { url, description, event_types: eventTypes }))

/** Where events are sent to, and what became of them. */
export const webhooks = new Hono<Http>()
  .get('/', allows('webhooks:read'), async (c) => {
    const after = c.req.query('after') ?? ''
    const found = await listWebhooks(c.var.replica, c.var.workspace, { after, size })
    const next = found.length < size ? undefined : found.at(-1)?.id
    return c.html(<Webhooks c={c} webhooks={found} next={next} />)
  })

  .get('/new', allows('webhooks:write'), (c) => c.html(<WebhookForm c={c} />))

  .post('/new', allows('webhooks:write'), form, once('webhook'), async (c) => {
    const { res, workspace, caller } = c.var
    const typed = typedIn(c.var.form)
    try {
      const webhook = await createWebhook(res, workspace, readDraft(typed), caller.name)
      return c.html(<Secret c={c} webhook={webhook} isNew />)
    } catch (error) {
      const refused = refusedForm(error, 'url')
      return c.html(<WebhookForm c={c} typed={typed} error={refused.error} />, refused.status)
    }
  })

  .get('/:id', allows('webhooks:read'), async (c) => c.html(await shown(c)))

  .get('/:id/edit', allows(['webhooks:read', 'webhooks:write']), async (c) => {
    const webhook = await getWebhook(c.var.db, c.var.workspace, idOf(c))
    return c.html(<WebhookForm c={c} webhook={webhook} typed={webhook} />)
  })

  .post('/:id/edit', allows(['webhooks:read', 'webhooks:write']), form, async (c) => {
    const { res, workspace, caller, db } = c.var
    const typed = typedIn(c.var.form)
    try {
      const draft = { ...readDraft(typed), by: caller.name }
      await updateWebhook(res, workspace, idOf(c), draft)
      return c.redirect(webhookPath(idOf(c)), 303)
    } catch (error) {
      const refused = refusedForm(error, 'url')
      const webhook = await getWebhook(db, workspace, idOf(c))
      const again = <WebhookForm c={c} webhook={webhook} typed={typed} error={refused.error} />
      return c.html(again, refused.status)
    }
  })

  .post('/:id/enable', allows('webhooks:write'), form, async (c) => {
    await enableWebhook(c.var.res, c.var.workspace, idOf(c), c.var.caller.name)
    return c.redirect(webhookPath(idOf(c)), 303)
  })

  .post('/:id/disable', allows('webhooks:write'), form, async (c) => {
    await disableWebhook(c.var.res, c.var.workspace, idOf(c), c.var.caller.name)
    return c.redirect(webhookPath(idOf(c)), 303)
  })

  .post('/:id/rotate', allows('webhooks:write'), form, once('webhook'), async (c) => {
    const { res, workspace, caller } = c.var
    const webhook = await rotateSecret(res, workspace, idOf(c), caller.name)
    return c.html(<Secret c={c} webhook={webhook} />)
  })

  .post('/:id/test', allows('webhooks:write'), form, async (c) => {
    await testWebhook(c.var.res, c.var.workspace, idOf(c))
    return c.redirect(`${webhookPath(idOf(c))}?done=test#deliveries`, 303)
  })

  .post('/:id/deliveries/:delivery/retry', allows('webhooks:write'), form, async (c) => {
    await retryDelivery(c.var.res, c.var.workspace, idOf(c), c.req.param('delivery'))
    return c.redirect(`${webhookPath(idOf(c))}?done=retry#deliveries`, 303)
  })

  .post('/:id/replay', allows(['webhooks:read', 'webhooks:write']), form, async (c) => {
    const { res, workspace } = c.var
    try {
      const period = replayOf(readReplay(c.var.form), res.now())
      const replayed = await replay(res, workspace, idOf(c), period)
      return c.redirect(`${webhookPath(idOf(c))}?replayed=${replayed}#deliveries`, 303)
    } catch (error) {
      const refused = refusedForm(error, 'since')
      return c.html(await shown(c, refused.error), refused.status)
    }
  })

  .post('/:id/delete', allows(['webhooks:read', 'webhooks:write']), form, async (c) => {
    const { res, workspace, db } = c.var
    const { url } = await getWebhook(db, workspace, idOf(c))
    try {
      checkConfirmed(c, hostOf(url), { what: 'its host name' })
      await deleteWebhook(res, workspace, idOf(c))
      return c.redirect('/console/webhooks', 303)
    } catch (error) {
      const refused = refusedForm(error, 'confirm')
      return c.html(await shown(c, refused.error), refused.status)
    }
  })

/** The times of a form are in UTC, as its labels say. */
function readReplay(fields: Form) {
  const timeOf = (name: string) => {
    const text = fields.get(name) ?? ''
    return /^[\dT:.-]+$/.test(text) ? new Date(`${text}Z`) : text
  }
  const textOf = (time: Date | string) =>
    time instanceof Date && !Number.isNaN(time.getTime()) ? time.toISOString() : String(time)
  const until = textOf(timeOf('until'))
  return shaped(Replay, {
    since: textOf(timeOf('since')),
    ...(until !== '' && { until }),
    only: fields.get('only') ?? '',
  })
}

/** The page of a webhook, with what was typed into it where that is refused. */
async function shown(c: Context<Http, '/:id'>, error?: FormError) {
  const { db, replica, workspace } = c.var
  // A page that somebody has typed a query for is shown all the same.
  const { data } = DeliveriesQuery.safeParse(c.req.query())
  const page = { state: data?.status, after: data?.after, size: deliveriesSize }
  const [webhook, deliveries] = await Promise.all([
    getWebhook(db, workspace, idOf(c)),
    listDeliveries(replica, workspace, idOf(c), page),
  ])
  const next = deliveries.length < deliveriesSize ? undefined : deliveries.at(-1)?.event
  return <WebhookPage c={c} {...{ webhook, deliveries, next, state: page.state, error }} />
}
