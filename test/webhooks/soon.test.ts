import { describe, expect, it } from 'vitest'
import { scene } from './scene.ts'

const second = 1000
const failing = () => new Response(null, { status: 500 })
const fine = () => new Response(null, { status: 204 })

/** A receiver that is down at first, and queues without a cron. */
async function recovering(first = failing) {
  let down = true
  const at = await scene(() => (down ? first() : fine()))
  const { clock, delayed, invoke } = at
  return {
    ...at,
    recovers: () => (down = false),
    /** Each bell enqueues at its time, so often and at once. */
    enqueues: async (times = 1) => {
      for (let bells = delayed.splice(0); bells.length > 0; bells = delayed.splice(0)) {
        const began = clock.now
        for (const { seconds } of bells.toSorted((a, b) => a.seconds - b.seconds)) {
          clock.now = Math.max(clock.now, began + seconds * second)
          await Promise.all(Array.from({ length: times }, invoke))
        }
      }
    },
  }
}

describe('the first retry', () => {
  it('comes within seven seconds of the attempt, and by the queue', async () => {
    const { happen, invoke, sent, recovers, enqueues, stands, delayed, workspace } =
      await recovering()
    await happen(1)
    await invoke()
    expect(delayed).toEqual([
      {
        message: { kind: 'deliver', workspace, webhook: expect.any(Number) as number },
        seconds: expect.any(Number) as number,
      },
    ])
    recovers()
    await enqueues()
    const [first, again, ...more] = sent
    expect(again?.id).toBe(first?.id)
    expect((again?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(5 * second)
    expect((again?.at ?? 0) - (first?.at ?? 0)).toBeLessThanOrEqual(7 * second)
    expect(more).toEqual([])
    expect(await stands()).toMatchObject([{ state: 'delivered', attempts: 2 }])
  })

  it.each([1, 3])(
    'of many comes once each, where bells enqueueDeliveries %d times',
    async (times) => {
      const { happen, invoke, sent, recovers, enqueues, stands } = await recovering()
      await happen(130)
      await invoke()
      expect(sent).toHaveLength(130)
      recovers()
      await enqueues(times)
      expect(sent).toHaveLength(260)
      expect(
        new Set((await stands()).map(({ state, attempts }) => `${state} ${attempts}`)),
      ).toEqual(new Set(['delivered 2']))
    },
  )

  it('is followed by the cron: what comes in minutes is not enqueued', async () => {
    const { happen, invoke, sent, enqueues, delayed } = await recovering()
    await happen(3)
    await invoke()
    await enqueues()
    expect(sent).toHaveLength(6)
    expect(delayed).toEqual([])
  })

  it('comes when Retry-After says, where that is soon', async () => {
    const busy = () => new Response(null, { status: 429, headers: { 'retry-after': '40' } })
    const { happen, invoke, sent, recovers, enqueues } = await recovering(busy)
    await happen(1)
    await invoke()
    recovers()
    await enqueues()
    const [first, again] = sent
    const wait = (again?.at ?? 0) - (first?.at ?? 0)
    expect(wait).toBeGreaterThanOrEqual(40 * second)
    expect(wait).toBeLessThanOrEqual(41 * second)
  })

  it('is not lost with its message: the cron enqueues it', async () => {
    const { happen, invoke, sent, recovers, silence, delayed, clock, due, stands } =
      await recovering()
    await happen(1)
    silence(true)
    await invoke()
    silence(false)
    expect(delayed).toEqual([])
    recovers()
    clock.now = (await stands())[0]?.next ?? 0
    expect(await due()).toBe(true)
    await invoke()
    expect(sent).toHaveLength(2)
  })

  it('is left to an invocation that sends at that moment', async () => {
    const { happen, invoke, sent, clock, stands } = await scene(async ({ at }) => {
      if (sent.length === 2) {
        // The bell for the first comes while the second is on its way.
        clock.now = at + 8 * second
        await invoke()
      }
      return sent.length === 1 ? failing() : fine()
    })
    await happen(1)
    await invoke()
    await happen(1)
    await invoke()
    expect(sent).toHaveLength(3)
    expect(await stands()).toMatchObject([
      { state: 'delivered', attempts: 2 },
      { state: 'delivered', attempts: 1 },
    ])
  })
})
