import { beforeAll, describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { consume, keeping } from '../support/bindings.ts'
import { homeResources } from '../support/databases.ts'
import { parts } from '../support/hazard.ts'
import { hook, openedHooks, tried, verified, type Hook } from '../support/hooks.ts'
import type { Team } from '../support/identity.ts'
import { uploaded } from '../support/uploads.ts'

const isAcked = { acked: [0], retried: [] }

/** Consumers side by side, as Cloudflare runs them: the queue here delivers one batch at a time. */
const consumed = (messages: Message[], bound: Env) =>
  Promise.all(messages.map(async (message) => (await consume('deliveries', [message], bound))()))

describe('a receiver', () => {
  const limits = { timeout: 120_000 }
  const { bound, deliveries } = keeping()
  const res = homeResources(bound)
  let team: Team
  let group: string
  let hung: Hook
  let endless: Hook
  let other: Hook
  let underWay: ReturnType<typeof consumed>

  /** Changes the group, and gives the messages about its webhooks. */
  async function changed(id: string): Promise<Message[]> {
    const job = await uploaded(res, team.workspace, group, parts('ADD', `${id}\n`))
    await runJob(res, { workspace: team.workspace, job: job.key }, sourceOf)
    return deliveries.splice(0).map(({ message }) => message)
  }

  beforeAll(async () => {
    const { bank, ...opened } = await openedHooks()
    team = opened.team
    group = await bank.group()
    const types = { event_types: ['group.participants.changed'] }
    hung = await hook(team, types)
    endless = await hook(team, types)
    other = await hook(team, types)
    await hung.receiver.answers({ hang: true }, {})
    await endless.receiver.answers({ status: 200, body: 'x', open: true }, {})
  })

  it('that never answers delays nobody else, nor do two of them', limits, async () => {
    const messages = await changed('ann')
    expect(messages).toHaveLength(3)
    underWay = consumed(messages, bound)
    await Promise.all([hung, endless].map(({ receiver }) => receiver.until(1)))
    const [arrived] = await other.receiver.until(1)
    if (arrived === undefined) throw new Error('nothing arrived')
    expect(verified(other.secret, arrived)).toMatchObject({ data: { added: 1 } })
    expect(await tried(team, other, 1)).toMatchObject([{ status: 'delivered' }])

    // The two are being sent to: nobody else sends to them meanwhile.
    expect(await consumed(await changed('bob'), bound)).toEqual([isAcked, isAcked, isAcked])
    expect(await tried(team, other, 2)).toHaveLength(2)
    for (const one of [hung, endless]) {
      expect(await tried(team, one, 0)).toMatchObject([{ attempts: [] }, { attempts: [] }])
      expect(await one.receiver.arrived()).toHaveLength(1)
    }
  })

  it.each([
    ['never answers', () => hung, { status_code: null, answer: 'No answer within 15 seconds' }],
    ['begins to answer and never ends', () => endless, { status_code: 200, answer: 'x' }],
  ])('that %s is waited for fifteen seconds', limits, async (_, which, attempt) => {
    expect(await underWay).toEqual([isAcked, isAcked, isAcked])
    const first = (await tried(team, which(), 1)).at(-1)
    expect(first).toMatchObject({ attempts: [attempt] })
    expect(first?.attempts[0]?.duration_ms).toBeGreaterThanOrEqual(14_900)
    expect(first?.attempts[0]?.duration_ms).toBeLessThan(25_000)
  })
})
