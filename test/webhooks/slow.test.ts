import { beforeAll, describe, expect, it } from 'vitest'
import type { Bank } from '../support/api.ts'
import { hook, openedHooks, tried, verified, type Hook } from '../support/hooks.ts'
import type { Team } from '../support/identity.ts'

/** Two receivers of one event wait side by side, as the queue here delivers one batch at a time. */
describe('a receiver', () => {
  const limits = { timeout: 120_000 }
  let team: Team
  let bank: Bank
  let group: string
  let hung: Hook
  let endless: Hook
  let other: Hook

  beforeAll(async () => {
    ;({ team, bank } = await openedHooks())
    group = await bank.group()
    const types = { event_types: ['group.participants.changed'] }
    hung = await hook(team, types)
    endless = await hook(team, types)
    other = await hook(team, types)
    await hung.receiver.answers({ hang: true }, {})
    await endless.receiver.answers({ status: 200, body: 'x', open: true }, {})
  })

  it('that never answers fails after fifteen seconds, and delays nobody else', limits, async () => {
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

    const first = (await tried(team, hung, 1)).at(-1)
    expect(first).toMatchObject({
      status: 'pending',
      attempts: [{ status_code: null, answer: 'No answer within 15 seconds' }],
    })
    expect(first?.attempts[0]?.duration_ms).toBeGreaterThanOrEqual(14_900)
    expect(first?.attempts[0]?.duration_ms).toBeLessThan(25_000)
  })

  it('that begins to answer and never ends fails after fifteen seconds', limits, async () => {
    const first = (await tried(team, endless, 1)).at(-1)
    expect(first?.attempts[0]?.duration_ms).toBeGreaterThanOrEqual(14_900)
    expect(first?.attempts[0]?.duration_ms).toBeLessThan(25_000)
  })
})
