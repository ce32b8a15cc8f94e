import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import {
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  updateWebhook,
} from '../../src/webhooks/subscriptions.ts'
import { scene, type Sent } from './scene.ts'

const takenAtATime = 50
const ids = (sent: Sent[]) => new Set(sent.map(({ id }) => id))

describe('a webhook that is changed while an invocation sends to it', () => {
  /** Has something done to the webhook as the first of sixty events arrives. */
  async function amid(
    deed: (at: Awaited<ReturnType<typeof scene>>) => Promise<unknown>,
    status = 204,
  ) {
    const at = await scene(async () => {
      if (at.sent.length === 1) await deed(at)
      return new Response(null, { status })
    })
    await at.happen(takenAtATime + 10)
    await at.invoke()
    return at
  }

  it('is sent only what was claimed before disabling, the rest once enabled', async () => {
    const { sent, stands, invoke, due, res, workspace, id, deliveriesEnqueued } = await amid(
      ({ res, workspace, id }) => disableWebhook(res, workspace, id, 'tester'),
    )
    expect(sent.length).toBeLessThanOrEqual(takenAtATime)
    const waiting = takenAtATime + 10 - sent.length
    expect((await stands()).slice(-waiting)).toMatchObject(
      Array(waiting).fill({ state: 'pending', attempts: 0, tries: 0 }),
    )
    const before = sent.length
    expect(await due()).toBe(false)
    await invoke()
    expect(sent).toHaveLength(before)
    await enableWebhook(res, workspace, id, 'tester')
    expect(deliveriesEnqueued).toHaveLength(1)
    await invoke()
    expect(sent).toHaveLength(takenAtATime + 10)
    expect(ids(sent).size).toBe(takenAtATime + 10)
  })

  it('is sent no more than was taken where it was deleted', async () => {
    const { sent, invoke, due } = await amid(({ res, workspace, id }) =>
      deleteWebhook(res, workspace, id),
    )
    expect(sent.length).toBeLessThanOrEqual(takenAtATime)
    const before = sent.length
    expect(await due()).toBe(false)
    await invoke()
    expect(sent).toHaveLength(before)
  })

  it('gets the unclaimed deliveries at its new URL, and none at both', async () => {
    const url = 'https://hooks.shop.com/second'
    const { sent } = await amid(({ res, workspace, id, draft }) =>
      updateWebhook(res, workspace, id, { ...draft, url, by: 'tester' }),
    )
    expect(ids(sent).size).toBe(takenAtATime + 10)
    expect(sent).toHaveLength(takenAtATime + 10)
    expect(sent.filter((one) => one.url === url)).toHaveLength(10)
  })

  it('keeps its change where the receiver is gone, and causes no event', async () => {
    const left = await amid(
      ({ res, workspace, id }) => disableWebhook(res, workspace, id, 'tester'),
      410,
    )
    const [webhook] = await left.db.all(
      sql`SELECT disabled, busy_until AS busy FROM webhooks WHERE workspace_id = ${left.workspace}`,
    )
    expect(webhook).toEqual({ disabled: 'asked', busy: null })
    expect(await left.disabled()).toEqual([])
    const deleted = await amid(({ res, workspace, id }) => deleteWebhook(res, workspace, id), 410)
    expect(await deleted.disabled()).toEqual([])
  })
})
