import { describe, expect, it } from 'vitest'
import { hook, openedHooks, tried, tryOut, verified } from '../support/hooks.ts'

// Side by side, as each waits for fifteen seconds.
describe.concurrent('a receiver', () => {
  it(
    'that never answers fails after fifteen seconds, and delays nobody else',
    { timeout: 120_000 },
    async () => {
      const { team, bank } = await openedHooks()
      const group = await bank.group()
      const types = { event_types: ['group.participants.changed'] }
      const [hung, other] = [await hook(team, types), await hook(team, types)]
      await hung.receiver.answers({ hang: true }, {})
      expect(await bank.apply(group, 'ADD', 'ann\n')).toMatchObject({
        jobStatus: 'SUCCESSFUL',
        addedCount: 1,
      })
      await hung.receiver.until(1)
      const [arrived] = await other.receiver.until(1)
      if (arrived === undefined) throw new Error('nothing arrived')
      expect(verified(other.secret, arrived)).toMatchObject({ data: { added: 1 } })
      expect(await bank.apply(group, 'ADD', 'bob\n')).toMatchObject({
        jobStatus: 'SUCCESSFUL',
        addedCount: 1,
      })
      // Its one attempt has not even ended.
      expect(await tried(team, hung, 0)).toMatchObject([{ attempts: [] }, { attempts: [] }])

      const [, first] = await tried(team, hung, 1)
      expect(first).toMatchObject({
        status: 'pending',
        attempts: [{ status_code: null, answer: 'No answer within 15 seconds' }],
      })
      expect(first?.attempts[0]?.duration_ms).toBeGreaterThanOrEqual(14_900)
      expect(first?.attempts[0]?.duration_ms).toBeLessThan(25_000)
    },
  )

  it(
    'that begins to answer and never ends fails after fifteen seconds',
    { timeout: 120_000 },
    async () => {
      const { team } = await openedHooks()
      const one = await hook(team)
      await one.receiver.answers({ status: 200, body: 'x', open: true })
      await tryOut(team, one)
      const [delivery] = await tried(team, one, 1)
      expect(delivery?.attempts[0]?.duration_ms).toBeLessThan(25_000)
      expect(delivery?.attempts[0]?.duration_ms).toBeGreaterThanOrEqual(14_900)
    },
  )
})
