import { env } from 'cloudflare:workers'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { together } from '../../src/db/connect.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { announce } from '../../src/webhooks/announce.ts'
import { deliverDue } from '../../src/webhooks/deliver.ts'
import { retryDelivery } from '../../src/webhooks/history.ts'
import { deleteWebhook, disableWebhook, enableWebhook, updateWebhook } from '../../src/webhooks/subscriptions.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { scene, type Sent, type Stands } from './scene.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const lease = 60 * second
const passTime = 20 * second
const takenAtATime = 50

const ids = (sent: Sent[]) => new Set(sent.map(({ id }) => id))
const delivered = { state: 'delivered', next: null }
const failing = () => new Response(null, { status: 500 })

describe('a pass', () => {
  it('sends nothing that another sends, however many begin at once or while it goes on', async () => {
    const { happen, pass, sent, stands } = await scene(async () => {
      if (sent.length < 20) await pass()
      await scheduler.wait(1)
      return new Response(null, { status: 204 })
    })
    await happen(12)
    await Promise.all([pass(), pass(), pass()])
    expect(sent).toHaveLength(12)
    expect(ids(sent).size).toBe(12)
    expect(await stands()).toEqual(Array(12).fill({ ...delivered, attempts: 1, tries: 1, known: [1] }))
  })

  it('sends five at once to its endpoint, and never more', async () => {
    let [now, most] = [0, 0]
    const { happen, pass, sent } = await scene(async () => {
      most = Math.max(most, ++now)
      await scheduler.wait(5)
      now--
      return new Response(null, { status: 204 })
    })
    await happen(30)
    await Promise.all([pass(), pass()])
    expect(sent).toHaveLength(30)
    expect(most).toBe(5)
  })

  it('goes on until nothing is due, and sends each event of many once', async () => {
    const { happen, pass, sent, stands, doorbells } = await scene()
    await happen(2 * takenAtATime + 20)
    await pass()
    expect(sent).toHaveLength(2 * takenAtATime + 20)
    expect(ids(sent).size).toBe(2 * takenAtATime + 20)
    expect(new Set((await stands()).map(({ attempts }) => attempts))).toEqual(new Set([1]))
    expect(doorbells).toEqual([])
  })

  it('begins to send nothing after twenty seconds: what is left keeps its tries, is rung for and sent by the next', async () => {
    const { happen, pass, sent, stands, clock, doorbells } = await scene(() => {
      clock.now += second
      return new Response(null, { status: 204 })
    })
    const began = clock.now
    await happen(takenAtATime + 10)
    await pass()
    const first = sent.length
    expect(first).toBeGreaterThan(5)
    expect(first).toBeLessThan(takenAtATime)
    for (const { at } of sent) expect(at - began).toBeLessThanOrEqual(passTime)
    const left = (await stands()).filter(({ state }) => state === 'pending')
    expect(left).toEqual(Array(takenAtATime + 10 - first).fill({ state: 'pending', attempts: 0, tries: 0, next: began, known: [] }))
    expect(doorbells).toHaveLength(1)
    for (let message = doorbells.pop(); message !== undefined; message = doorbells.pop()) await pass()
    expect(sent).toHaveLength(takenAtATime + 10)
    expect(await stands()).toEqual(Array(takenAtATime + 10).fill({ ...delivered, attempts: 1, tries: 1, known: [1] }))
  })

  it('sends what happens while it goes on, or rings for it, as the bell of that found it busy', async () => {
    const { happen, pass, sent, due, doorbells } = await scene(async () => {
      if (sent.length === 1) await happen(1).then(pass)
      return new Response(null, { status: 204 })
    })
    await happen(1)
    await pass()
    if (doorbells.length > 0) await pass()
    expect(sent).toHaveLength(2)
    expect(await due()).toBe(false)
  })

  it.each<[why: string, events: number, fuse: { at: number; when: 'before' | 'after' }, sends: number]>([
    ['after it has taken its events', 7, { at: 0, when: 'after' }, 0],
    ['before it keeps what came of them', 7, { at: 1, when: 'before' }, 7],
    ['in its second round', takenAtATime + 7, { at: 3, when: 'before' }, takenAtATime + 7],
  ])('that dies %s is followed once its lease is over, and not before', async (_, events, lit, sends) => {
    const { happen, pass, sent, stands, clock, due, fuse } = await scene()
    await happen(events)
    fuse(lit)
    await expect(pass().catch(unlessCrash)).resolves.toBeUndefined()
    fuse(undefined)
    expect(sent).toHaveLength(sends)
    const begun = sent.splice(0)

    for (const wait of [0, lease - 1]) {
      clock.now += wait
      await pass()
      expect(sent).toEqual([])
      expect(await due()).toBe(false)
    }
    clock.now += 1
    expect(await due()).toBe(true)
    await pass()
    expect(sent).toHaveLength(7)
    for (const { id, body, stamp } of sent) {
      const before = begun.find((one) => one.id === id)
      if (before === undefined) continue
      expect(body).toBe(before.body)
      expect(Number(stamp)).toBe(Number(before.stamp) + lease / second)
    }
    const all = await stands()
    expect(all.slice(-7)).toEqual(Array(7).fill({ ...delivered, attempts: 2, tries: 2, known: [2] }))
    expect(all.slice(0, -7)).toEqual(Array(events - 7).fill({ ...delivered, attempts: 1, tries: 1, known: [1] }))
  })

  it('that dies after some of its sends is followed by one that sends the rest, and may send those again', async () => {
    let dead = true
    const { happen, pass, sent, stands, clock } = await scene(({ body }) => {
      if (dead && sent.length > 3) return new Promise<Response>(() => {})
      return body === '' ? failing() : new Response(null, { status: 204 })
    })
    await happen(9)
    void pass()
    while (sent.length < 8) await scheduler.wait(5)
    dead = false
    clock.now += lease
    await pass()
    expect(ids(sent).size).toBe(9)
    expect(await stands()).toEqual(Array(9).fill({ ...delivered, attempts: 2, tries: 2, known: [2] }))
  })

  describe('that was thought dead and wakes', () => {
    /** Two passes of one webhook, the first of which keeps its word long after its lease; both fail. */
    async function overtaken() {
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let gate: Promise<void> | undefined = gates[0]?.promise
      const at = await scene(async () => {
        await gate
        return failing()
      })
      await at.happen(7)
      const first = at.pass()
      while (at.sent.length < 5) await scheduler.wait(5)
      at.clock.now += lease
      gate = gates[1]?.promise
      const next = at.pass()
      while (at.sent.length < 10) await scheduler.wait(5)
      gates[0]?.resolve()
      await first
      gate = undefined
      const ended = () => {
        gates[1]?.resolve()
        return next
      }
      return { ...at, ended }
    }

    it('does not free the webhook of the one that followed', async () => {
      const { pass, sent, happen, ended } = await overtaken()
      await happen(1)
      await pass()
      expect(sent).toHaveLength(10)
      await ended()
      expect(sent).toHaveLength(13)
    })

    it('does not spoil what the one that followed counts', async () => {
      const { stands, ended } = await overtaken()
      await ended()
      const both = { state: 'pending', attempts: 2, tries: 2, next: expect.any(Number), known: [1, 2] }
      expect(await stands()).toEqual([...Array<Stands>(5).fill(both), ...Array<Stands>(2).fill({ ...both, known: [2] })])
    })
  })
})

/** Of Standard Webhooks 1.0: how long after the attempt before each of the others comes. */
const waits = [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour]

describe('a delivery that fails', () => {
  it('is tried again as the schedule says, neither earlier nor once more after its last attempt', async () => {
    const { happen, pass, sent, stands, clock, due, disabled } = await scene(failing)
    await happen(1)
    await pass()
    for (const [i, wait] of waits.entries()) {
      const [one] = await stands()
      const next = one?.next ?? 0
      const known = Array.from({ length: i + 1 }, (_, n) => n + 1)
      expect(one).toMatchObject({ state: 'pending', attempts: i + 1, tries: i + 1, known })
      expect(next - clock.now).toBeGreaterThanOrEqual(wait)
      expect(next - clock.now).toBeLessThanOrEqual(1.2 * wait)
      clock.now = next - 1
      expect(await due()).toBe(false)
      await pass()
      expect(sent).toHaveLength(i + 1)
      clock.now = next
      expect(await due()).toBe(true)
      await pass()
      expect(sent).toHaveLength(i + 2)
    }
    expect(await stands()).toMatchObject([{ state: 'failed', attempts: 10, tries: 10, next: null }])
    clock.now += 30 * 24 * hour
    expect(await due()).toBe(false)
    await pass()
    expect(sent).toHaveLength(10)
    expect(ids(sent).size).toBe(1)
    expect(await disabled()).toEqual([])
  })

  it('begins the schedule anew where it is asked for while a pass has taken it, sent or not', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const at = await scene(async () => {
      await promise
      return failing()
    })
    const { happen, pass, sent, stands, clock, res, workspace, db, id } = at
    await happen(7)
    await db.run(sql`UPDATE deliveries SET attempts = 9, tries = 9 WHERE workspace_id = ${workspace}`)
    const first = pass()
    while (sent.length < 5) await scheduler.wait(5)
    for (const { id: event } of await db.all<{ id: string }>(sql`SELECT id FROM events WHERE workspace_id = ${workspace}`))
      await retryDelivery(res, workspace, id, event)
    clock.now += passTime + 1
    resolve()
    await first
    expect(sent).toHaveLength(5)
    await pass()
    expect(sent).toHaveLength(12)
    for (const one of await stands()) {
      expect(one).toMatchObject({ state: 'pending', tries: 1 })
      expect((one.next ?? 0) - clock.now).toBeGreaterThanOrEqual(5 * second)
    }
  })
})

describe('a webhook that is changed while a pass sends to it', () => {
  /** Has something done to the webhook as the first of sixty events arrives. */
  async function amid(deed: (at: Awaited<ReturnType<typeof scene>>) => Promise<unknown>, status = 204) {
    const at = await scene(async () => {
      if (at.sent.length === 1) await deed(at)
      return new Response(null, { status })
    })
    await at.happen(takenAtATime + 10)
    await at.pass()
    return at
  }

  it('is sent no more than was taken where it was disabled, and the rest once it is enabled', async () => {
    const { sent, stands, pass, due, res, workspace, id, doorbells } = await amid(({ res, workspace, id }) =>
      disableWebhook(res, workspace, id, 'tester'),
    )
    expect(sent.length).toBeLessThanOrEqual(takenAtATime)
    const waiting = takenAtATime + 10 - sent.length
    expect((await stands()).slice(-waiting)).toMatchObject(Array(waiting).fill({ state: 'pending', attempts: 0, tries: 0 }))
    const before = sent.length
    expect(await due()).toBe(false)
    await pass()
    expect(sent).toHaveLength(before)
    await enableWebhook(res, workspace, id, 'tester')
    expect(doorbells).toHaveLength(1)
    await pass()
    expect(sent).toHaveLength(takenAtATime + 10)
    expect(ids(sent).size).toBe(takenAtATime + 10)
  })

  it('is sent no more than was taken where it was deleted', async () => {
    const { sent, pass, due } = await amid(({ db, workspace, id }) => deleteWebhook(db, workspace, id))
    expect(sent.length).toBeLessThanOrEqual(takenAtATime)
    const before = sent.length
    expect(await due()).toBe(false)
    await pass()
    expect(sent).toHaveLength(before)
  })

  it('gets at its new URL what was not taken yet, and nothing at both', async () => {
    const url = 'https://hooks.shop.com/second'
    const { sent } = await amid(({ res, workspace, id, draft }) => updateWebhook(res, workspace, id, { ...draft, url }, 'tester'))
    expect(ids(sent).size).toBe(takenAtATime + 10)
    expect(sent).toHaveLength(takenAtATime + 10)
    expect(sent.filter((one) => one.url === url)).toHaveLength(10)
  })

  it('stays as it was left where its receiver says that it is gone, and nobody is told', async () => {
    const left = await amid(({ res, workspace, id }) => disableWebhook(res, workspace, id, 'tester'), 410)
    const [webhook] = await left.db.all(sql`SELECT disabled, busy_until AS busy FROM webhooks WHERE workspace_id = ${left.workspace}`)
    expect(webhook).toEqual({ disabled: 'asked', busy: null })
    expect(await left.disabled()).toEqual([])
    const deleted = await amid(({ db, workspace, id }) => deleteWebhook(db, workspace, id), 410)
    expect(await deleted.disabled()).toEqual([])
  })
})

describe('the statements that announce', () => {
  it('write nothing in a batch whose change does nothing, whatever else of it changes something', async () => {
    const { db, workspace, stands, clock } = await scene()
    const change = (name: string) =>
      sql`UPDATE webhooks SET description = ${name} WHERE workspace_id = ${workspace} AND description <> ${name}`
    const told = (group: string) => announce(workspace, { type: 'group.deleted', data: { group_id: group } }, clock.now)
    const results = await together(db, [
      change('a'),
      ...told('1'),
      change('a'),
      ...told('2'),
      change('b'),
      ...told('3'),
      change('b'),
      ...told('4'),
    ])
    const events = await db.all(sql`SELECT data ->> 'group_id' AS told FROM events WHERE workspace_id = ${workspace} ORDER BY key`)
    expect(events).toEqual([{ told: '1' }, { told: '3' }])
    expect(await stands()).toHaveLength(2)
    expect(results.flatMap(({ results }) => results)).toHaveLength(2)
  })

  it('are not lost with the bell: a silent queue fails no change, and the cron rings for it', async () => {
    const { res, workspace, sent, pass, silence, due, doorbells } = await scene()
    const draft = { name: 'owls', description: undefined, type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' }
    silence(true)
    const group = await createGroup(res, workspace, draft)
    await deliverDue(res)
    silence(false)
    expect(doorbells).toEqual([])
    expect(await due()).toBe(true)
    await pass()
    expect(sent.map(({ body }) => JSON.parse(body))).toMatchObject([{ type: 'group.created', data: { group_id: group.id } }])
  })
})

describe('the cron of every minute', () => {
  it('rings for all that something is due for, however many, and for none that is busy, disabled or not due yet', async () => {
    const [workspace, now] = [4_100_000, Date.UTC(2027, 5, 1)]
    const kinds = ['due', 'busy', 'was busy', 'disabled', 'later', 'delivered', 'idle'] as const
    const rows = Array.from({ length: 700 }, (_, i) => [i, kinds[i % kinds.length]])
    const keyOf = sql`(SELECT key FROM webhooks AS w WHERE w.workspace_id = ${workspace} AND w.id = value ->> 0)`
    const { res, doorbells } = hazardous({}, { now: () => now })
    await together(res.directory, [
      sql`
      INSERT INTO webhooks (workspace_id, id, url, description, secret, disabled, busy_until, created_on, created_by, last_modified_on, last_modified_by)
      SELECT ${workspace}, value ->> 0, 'https://hooks.shop.com', '', 'whsec_', iif(value ->> 1 = 'disabled', 'asked', NULL),
        CASE value ->> 1 WHEN 'busy' THEN ${now + 1} WHEN 'was busy' THEN ${now} END, 1, 't', 1, 't' FROM json_each(${JSON.stringify(rows)})`,
      sql`
      INSERT INTO deliveries (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
      SELECT ${keyOf}, 1, ${workspace}, iif(value ->> 1 = 'delivered', 'delivered', 'pending'), 0, 0, iif(value ->> 1 = 'later', ${now + 1}, ${now})
      FROM json_each(${JSON.stringify(rows)}) WHERE value ->> 1 <> 'idle'`,
    ])
    const wanted = await res.directory.all<{ webhook: number }>(sql`
      SELECT key AS webhook FROM webhooks WHERE workspace_id = ${workspace} AND id % ${kinds.length} IN (0, 2) ORDER BY key`)
    expect(wanted).toHaveLength(200)
    await deliverDue(res)
    const rung = doorbells.filter((message) => message.workspace === workspace)
    expect(rung).toEqual(wanted.map(({ webhook }) => ({ kind: 'deliver', workspace, webhook })))
    await env.DB.prepare('DELETE FROM webhooks WHERE workspace_id = ?').bind(workspace).run()
  })
})
