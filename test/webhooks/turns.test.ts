import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/messages.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { atOnce } from '../../src/webhooks/turn.ts'
import { scene, type Sent } from './scene.ts'

const second = 1000

/** A workspace with twenty webhooks whose receivers answer once the test lets them. */
async function many() {
  const gates: { url: string; open: () => void }[] = []
  const hanging = new Set<string>()
  let hangs = true
  const answer = async ({ url }: Sent) => {
    if (hangs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      gates.push({ url, open: resolve })
      hanging.add(url)
      await promise
      hanging.delete(url)
    }
    return new Response(null, { status: 204 })
  }
  const at = await scene(answer)
  const { res, workspace, draft } = at
  for (let i = 1; i < 20; i++)
    await createWebhook(res, workspace, { ...draft, url: `${draft.url}-${i}` }, 'tester')
  const rows = await at.db.all<{ key: number }>(
    sql`SELECT key FROM webhooks WHERE workspace_id = ${workspace} ORDER BY key`,
  )
  const begin = (message: Message) =>
    message.kind === 'deliver' ? deliver(res, message.workspace, message.webhook) : undefined
  return {
    ...at,
    hanging,
    messages: rows.map(({ key }): Message => ({ kind: 'deliver', workspace, webhook: key })),
    begin,
    free: (which: string) => gates.forEach(({ url, open }) => url === which && open()),
    work: () => {
      hangs = false
      for (const { open } of gates) open()
    },
  }
}

const until = async (holds: () => boolean) => {
  for (const end = Date.now() + 20_000; !holds(); await scheduler.wait(5))
    if (Date.now() > end) throw new Error('it never held')
}

describe('twenty webhooks of a workspace', () => {
  it('are sent to four at a time, and each has its turn without a cron', async () => {
    const { happen, messages, begin, hanging, sent, work, deliveriesEnqueued, stands } =
      await many()
    await happen(2)
    const underWay = messages.map(begin)
    await until(() => hanging.size === atOnce)
    await Promise.all(underWay.slice(atOnce))
    expect(new Set(sent.map(({ url }) => url)).size).toBe(atOnce)

    work()
    await Promise.all(underWay)
    let handled = messages.length
    for (let next = deliveriesEnqueued.shift(); next; next = deliveriesEnqueued.shift()) {
      await begin(next)
      handled++
    }
    expect(sent).toHaveLength(2 * messages.length)
    expect(new Set(sent.map(({ url }) => url)).size).toBe(messages.length)
    expect(await stands()).toMatchObject(Array(2).fill({ state: 'delivered' }))
    expect(handled).toBeLessThanOrEqual(3 * messages.length)
  })

  it('leave those of another workspace alone', async () => {
    const { happen, messages, begin, hanging, work } = await many()
    await happen(1)
    const underWay = messages.map(begin)
    await until(() => hanging.size === atOnce)
    const other = await scene()
    await other.happen(1)
    await other.invoke()
    expect(other.sent).toHaveLength(1)
    work()
    await Promise.all(underWay)
  })

  it('enqueue the one that has waited longest when one ends', async () => {
    const { happen, messages, begin, hanging, free, clock, deliveriesEnqueued, db, work } =
      await many()
    await happen(1)
    const underWay = messages.slice(0, atOnce).map(begin)
    await until(() => hanging.size === atOnce)
    const longest = messages.at(-3)
    if (longest?.kind !== 'deliver') throw new Error('there is no such webhook')
    await db.run(sql`
      UPDATE deliveries SET next_attempt_at = ${clock.now - second}
      WHERE webhook_key = ${longest.webhook}`)
    const [first = ''] = hanging
    free(first)
    await Promise.race(underWay)
    expect(deliveriesEnqueued).toEqual([longest])
    work()
    await Promise.all(underWay)
  })
})

describe('a webhook that hangs', () => {
  it('is sent five at once, and the rest waits for the cron', async () => {
    const { happen, invoke, sent, clock, due, stands, deliveriesEnqueued } = await scene(
      async () => {
        clock.now = Math.max(clock.now, began + 15 * second)
        return Promise.reject(new DOMException('late', 'TimeoutError'))
      },
    )
    const began = clock.now
    await happen(30)
    await invoke()
    expect(sent).toHaveLength(5)
    expect(deliveriesEnqueued).toEqual([])
    expect((await stands()).filter(({ attempts }) => attempts > 0)).toHaveLength(5)
    expect(await due()).toBe(true)
  })

  it('gets five deliveries at a time, for as long as it fails', async () => {
    const at = await scene(() => new Response(null, { status: 503 }))
    await at.happen(3)
    await at.invoke()
    await at.happen(30)
    const { rowsWritten } = at.res.meter
    at.fuse({ at: 1, only: 'writes', when: 'before' })
    await at.invoke().catch(() => undefined)
    at.fuse(undefined)
    expect(at.res.meter.rowsWritten - rowsWritten).toBe(1 + 5)
    expect(at.sent).toHaveLength(3 + 5)
  })
})

describe('a turn', () => {
  it('costs a row or two for each webhook of the workspace', async () => {
    const { happen, messages, begin, work, res } = await many()
    work()
    await happen(1)
    const before = res.meter.rowsRead
    await begin(messages[0] ?? { kind: 'deliver', workspace: 0, webhook: 0 })
    expect(res.meter.rowsRead - before).toBeLessThan(8 * messages.length)
  })
})
