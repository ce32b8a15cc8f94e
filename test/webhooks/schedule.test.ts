import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { retryDelivery } from '../../src/webhooks/history.ts'
import { hour, waits } from '../support/standard-webhooks.ts'
import { scene, type Sent } from './scene.ts'

const invocationTime = 20_000
const ids = (sent: Sent[]) => new Set(sent.map(({ id }) => id))
const failing = () => new Response(null, { status: 500 })

describe('a delivery that fails', () => {
  it('is tried again on schedule, never earlier nor after its last attempt', async () => {
    const { happen, invoke, sent, stands, clock, due, disabled } = await scene(failing)
    await happen(1)
    await invoke()
    for (const [i, wait] of waits.entries()) {
      const [one] = await stands()
      const next = one?.next ?? 0
      const known = Array.from({ length: i + 1 }, (_, n) => n + 1)
      expect(one).toMatchObject({ state: 'pending', attempts: i + 1, tries: i + 1, known })
      expect(next - clock.now).toBeGreaterThanOrEqual(wait)
      expect(next - clock.now).toBeLessThanOrEqual(1.2 * wait)
      clock.now = next - 1
      expect(await due()).toBe(false)
      await invoke()
      expect(sent).toHaveLength(i + 1)
      clock.now = next
      expect(await due()).toBe(true)
      await invoke()
      expect(sent).toHaveLength(i + 2)
    }
    expect(await stands()).toMatchObject([{ state: 'failed', attempts: 10, tries: 10, next: null }])
    clock.now += 30 * 24 * hour
    expect(await due()).toBe(false)
    await invoke()
    expect(sent).toHaveLength(10)
    expect(ids(sent).size).toBe(1)
    expect(await disabled()).toEqual([])
  })

  it('begins its schedule anew on request, even while an invocation has it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const at = await scene(async () => {
      await promise
      return failing()
    })
    const { happen, invoke, sent, stands, clock, res, workspace, db, id } = at
    await happen(7)
    await db.run(
      sql`UPDATE deliveries SET attempts = 9, tries = 9 WHERE workspace_id = ${workspace}`,
    )
    const first = invoke()
    while (sent.length < 5) await scheduler.wait(5)
    for (const { id: event } of await db.all<{ id: string }>(
      sql`SELECT id FROM events WHERE workspace_id = ${workspace} AND type = 'group.deleted'`,
    ))
      await retryDelivery(res, workspace, id, event)
    clock.now += invocationTime + 1
    resolve()
    await first
    expect(sent).toHaveLength(5)
    await invoke()
    expect(sent).toHaveLength(12)
    for (const one of await stands()) {
      expect(one).toMatchObject({ state: 'pending', tries: 1 })
      expect((one.next ?? 0) - clock.now).toBeGreaterThanOrEqual(5000)
    }
  })
})
