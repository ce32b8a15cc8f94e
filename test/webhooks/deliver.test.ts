import { describe, expect, it } from 'vitest'
import { deleteWebhook, getWebhook } from '../../src/webhooks/subscriptions.ts'
import { unlessCrash } from '../support/hazard.ts'
import { changesOf } from '../support/store.ts'
import { scene, type Sent, type Stands } from './scene.ts'

const second = 1000
const lease = 60 * second
const invocationTime = 20 * second
const takenAtATime = 50
const delivered = { state: 'delivered', next: null }
const ids = (sent: Sent[]) => new Set(sent.map(({ id }) => id))
const failing = () => new Response(null, { status: 500 })

/** An invocation that sleeps before it records its outcomes, until it is woken. */
async function asleep(at: Awaited<ReturnType<typeof scene>>) {
  const { promise, resolve: wake } = Promise.withResolvers<void>()
  const fallen = Promise.withResolvers<void>()
  at.fuse({ at: 1, only: 'writes', until: promise, fallen: fallen.resolve })
  const first = at.invoke()
  await fallen.promise
  return { first, wake }
}

describe('an invocation', () => {
  it('sends nothing that another sends, however many begin meanwhile', async () => {
    const { happen, invoke, sent, stands } = await scene(async () => {
      if (sent.length < 20) await invoke()
      await scheduler.wait(1)
      return new Response(null, { status: 204 })
    })
    await happen(12)
    await Promise.all([invoke(), invoke(), invoke()])
    expect(sent).toHaveLength(12)
    expect(ids(sent).size).toBe(12)
    expect(await stands()).toEqual(
      Array(12).fill({ ...delivered, attempts: 1, tries: 1, known: [1] }),
    )
  })

  it('does nothing for a webhook that is no more', async () => {
    const { res, workspace, id, happen, invoke, sent } = await scene()
    await happen(3)
    await deleteWebhook(res, workspace, id)
    await invoke()
    expect(sent).toEqual([])
  })

  it('sends five at once to its endpoint, and never more', async () => {
    let [now, most] = [0, 0]
    const { happen, invoke, sent } = await scene(async () => {
      most = Math.max(most, ++now)
      await scheduler.wait(5)
      now--
      return new Response(null, { status: 204 })
    })
    await happen(30)
    await Promise.all([invoke(), invoke()])
    expect(sent).toHaveLength(30)
    expect(most).toBe(5)
  })

  it('goes on until nothing is due, and sends each event once', async () => {
    const { happen, invoke, sent, stands, deliveriesEnqueued } = await scene()
    await happen(2 * takenAtATime + 20)
    await invoke()
    expect(sent).toHaveLength(2 * takenAtATime + 20)
    expect(ids(sent).size).toBe(2 * takenAtATime + 20)
    expect(new Set((await stands()).map(({ attempts }) => attempts))).toEqual(new Set([1]))
    expect(deliveriesEnqueued).toEqual([])
  })

  it('stops after twenty seconds, and leaves the rest, untried, to the next', async () => {
    const { happen, invoke, sent, stands, clock, deliveriesEnqueued } = await scene(() => {
      clock.now += second
      return new Response(null, { status: 204 })
    })
    const began = clock.now
    await happen(takenAtATime + 10)
    await invoke()
    const first = sent.length
    expect(first).toBeGreaterThan(5)
    expect(first).toBeLessThan(takenAtATime)
    for (const { at } of sent) expect(at - began).toBeLessThanOrEqual(invocationTime)
    const left = (await stands()).filter(({ state }) => state === 'pending')
    expect(left).toEqual(
      Array(takenAtATime + 10 - first).fill({
        state: 'pending',
        attempts: 0,
        tries: 0,
        next: began,
        known: [],
      }),
    )
    expect(deliveriesEnqueued).toHaveLength(1)
    for (
      let message = deliveriesEnqueued.pop();
      message !== undefined;
      message = deliveriesEnqueued.pop()
    )
      await invoke()
    expect(sent).toHaveLength(takenAtATime + 10)
    expect(await stands()).toEqual(
      Array(takenAtATime + 10).fill({ ...delivered, attempts: 1, tries: 1, known: [1] }),
    )
  })

  it('sends what happens meanwhile, or enqueues it for the next', async () => {
    const { happen, invoke, sent, due, deliveriesEnqueued } = await scene(async () => {
      if (sent.length === 1) await happen(1).then(invoke)
      return new Response(null, { status: 204 })
    })
    await happen(1)
    await invoke()
    if (deliveriesEnqueued.length > 0) await invoke()
    expect(sent).toHaveLength(2)
    expect(await due()).toBe(false)
  })

  it.each<
    [why: string, events: number, fuse: { at: number; when: 'before' | 'after' }, sends: number]
  >([
    ['after it has taken its events', 7, { at: 0, when: 'after' }, 0],
    ['before it keeps what came of them', 7, { at: 1, when: 'before' }, 7],
    ['in its second round', takenAtATime + 7, { at: 3, when: 'before' }, takenAtATime + 7],
  ])(
    'that dies %s is followed once its lease is over, and not before',
    async (_, events, lit, sends) => {
      const { happen, invoke, sent, stands, clock, due, fuse } = await scene()
      await happen(events)
      fuse(lit)
      await expect(invoke().catch(unlessCrash)).resolves.toBeUndefined()
      fuse(undefined)
      expect(sent).toHaveLength(sends)
      const begun = sent.splice(0)

      for (const wait of [0, lease - 1]) {
        clock.now += wait
        await invoke()
        expect(sent).toEqual([])
        expect(await due()).toBe(false)
      }
      clock.now += 1
      expect(await due()).toBe(true)
      await invoke()
      expect(sent).toHaveLength(7)
      for (const { id, body, stamp } of sent) {
        const before = begun.find((one) => one.id === id)
        if (before === undefined) continue
        expect(body).toBe(before.body)
        expect(Number(stamp)).toBe(Number(before.stamp) + lease / second)
      }
      const all = await stands()
      expect(all.slice(-7)).toEqual(
        Array(7).fill({ ...delivered, attempts: 2, tries: 2, known: [2] }),
      )
      expect(all.slice(0, -7)).toEqual(
        Array(events - 7).fill({ ...delivered, attempts: 1, tries: 1, known: [1] }),
      )
    },
  )

  it('that dies midway is followed by one that may repeat some deliveries', async () => {
    let dead = true
    const { happen, invoke, sent, stands, clock } = await scene(({ body }) => {
      if (dead && sent.length > 3) return new Promise<Response>(() => {})
      return body === '' ? failing() : new Response(null, { status: 204 })
    })
    await happen(9)
    void invoke()
    while (sent.length < 8) await scheduler.wait(5)
    dead = false
    clock.now += lease
    await invoke()
    expect(ids(sent).size).toBe(9)
    expect(await stands()).toEqual(
      Array(9).fill({ ...delivered, attempts: 2, tries: 2, known: [2] }),
    )
  })

  it('disables a webhook for one 410 among others that arrive', async () => {
    const { happen, invoke, sent, stands, disabled, id } = await scene(
      () => new Response(null, { status: sent.length === 2 ? 410 : 204 }),
    )
    await happen(4)
    await invoke()
    const states = (await stands()).map(({ state }) => state).sort()
    expect(states).toEqual(['delivered', 'delivered', 'delivered', 'pending'])
    expect(await disabled()).toEqual([{ data: JSON.stringify({ webhook_id: id, reason: 'gone' }) }])
    await happen(1)
    await invoke()
    expect(sent).toHaveLength(4)
  })

  describe('that was thought dead and continues', () => {
    /** Two failing invocations of one webhook, the first long after its lease. */
    async function overtaken() {
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let gate: Promise<void> | undefined = gates[0]?.promise
      const at = await scene(async () => {
        await gate
        return failing()
      })
      await at.happen(7)
      const first = at.invoke()
      while (at.sent.length < 5) await scheduler.wait(5)
      at.clock.now += lease
      gate = gates[1]?.promise
      const next = at.invoke()
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
      const { invoke, sent, happen, ended } = await overtaken()
      await happen(1)
      await invoke()
      expect(sent).toHaveLength(10)
      await ended()
      expect(sent).toHaveLength(13)
    })

    it('does not count its failures against a webhook that works again', async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      let works = false
      const { happen, invoke, sent, clock, db, workspace, id } = await scene(async () => {
        if (works) return new Response(null, { status: 204 })
        await promise
        return failing()
      })
      await happen(5)
      const first = invoke()
      while (sent.length < 5) await scheduler.wait(5)
      clock.now += lease
      works = true
      await invoke()
      resolve()
      await first
      expect(await getWebhook(db, workspace, id)).toMatchObject({ failingSince: null })
    })

    it.each([200, 500, 503])(
      'after another sent it all, adds its attempts alone (%i)',
      async (status) => {
        let answer = status
        const at = await scene(() => new Response(null, { status: answer }))
        await at.happen(3)
        const { first, wake } = await asleep(at)
        at.clock.now += lease
        answer = 204
        await at.invoke()
        const changes = await changesOf(() => {
          wake()
          return first
        })
        expect(changes.map((row) => row.split(' ', 2).join(' '))).toEqual(
          Array(3).fill('+ delivery_attempts'),
        )
      },
    )

    it('leaves alone the webhook that another sends to', async () => {
      const gate = Promise.withResolvers<void>()
      let waits: Promise<void> | undefined
      const at = await scene(async () => {
        await waits
        return failing()
      })
      await at.happen(1)
      const { first, wake } = await asleep(at)
      at.clock.now += lease
      await at.happen(1)
      waits = gate.promise
      const next = at.invoke()
      while (at.sent.length < 3) await scheduler.wait(5)
      const changes = await changesOf(() => {
        wake()
        return first
      })
      expect(changes.map((row) => row.split(' ', 2).join(' '))).toEqual(['+ delivery_attempts'])
      gate.resolve()
      await next
    })

    it('does not spoil what the one that followed counts', async () => {
      const { stands, ended } = await overtaken()
      await ended()
      const both = {
        state: 'pending',
        attempts: 2,
        tries: 2,
        next: expect.any(Number),
        known: [1, 2],
      }
      expect(await stands()).toEqual([
        ...Array<Stands>(5).fill(both),
        ...Array<Stands>(2).fill({ ...both, known: [2] }),
      ])
    })
  })
})
