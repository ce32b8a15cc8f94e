import { describe, expect, it } from 'vitest'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { Bank, lines } from '../support/api.ts'
import { ask, consume, keeping, type Kept } from '../support/bindings.ts'
import { atHome, homeDb, homeResources } from '../support/databases.ts'
import { fileParts, parts } from '../support/hazard.ts'
import { household, Team } from '../support/identity.ts'
import { logged } from '../support/log.ts'
import { outAfter, primaryOut } from '../support/outage.ts'
import { uploaded } from '../support/uploads.ts'

const log = logged()
const days = 5
const people = ['ann', 'bob', 'cid', 'dan', 'eve']

/** A workspace with work of every kind that is carried on over the queue. */
async function opened() {
  const team = await Team.open()
  const { workspace } = team
  const bank = await Bank.open(undefined, workspace)
  const group = await bank.group()
  await team.define(household)
  await team.user('ann', { $address: 'here' })
  const kept = keeping({ SLICE_BYTES: 16 })
  const res = homeResources(kept.bound)
  const message = {
    job: async (): Promise<Message> => {
      const file = parts('ADD', lines(people))
      return { kind: 'job', workspace, job: (await uploaded(res, workspace, group, file)).key }
    },
    import: async (): Promise<Message> => {
      const file = fileParts('user_id,town\nann,Ulm\nbob,Bonn\n')
      return {
        kind: 'import',
        workspace,
        job: (await receiveUsers(res, workspace, 'tester', file)).key,
      }
    },
    recompute: async (): Promise<Message> => {
      const { key } = await requestRecompute(res, workspace, household.id)
      return { kind: 'recompute', workspace, run: key }
    },
  }
  const ends = {
    job: async () => expect(await bank.members(group)).toEqual(people),
    import: async () =>
      expect(await team.profile('bob')).toMatchObject({ user_attributes: { town: 'Bonn' } }),
    recompute: async () =>
      expect(await team.get('/groups/household/instances')).toMatchObject({
        instances: [{ members: [{ user_id: 'ann' }] }],
      }),
  }
  return { ...kept, message, ends }
}

/** Delivers one message after the other, until nothing is left or seconds have gone by. */
async function goesOn(
  first: Message,
  { bound, work }: { bound: Env; work: Kept[] },
  seconds = Infinity,
) {
  work.splice(0)
  const pauses: number[] = []
  let next: Kept | undefined = { message: first, delaySeconds: 0 }
  for (let passed = 0; next !== undefined && passed < seconds; next = work.shift()) {
    pauses.push(next.delaySeconds)
    passed += next.delaySeconds
    const outcome = await consume('work', [next.message], bound)
    expect(await outcome()).toEqual({ acked: [0], retried: [] })
  }
  return { pauses, left: next?.message }
}

describe.each(['job', 'import', 'recompute'] as const)('an outage of days amid a %s', (kind) => {
  it.each([0, 1, 2, 3, 4, 5])('after %i calls is waited for, and it ends well', async (calls) => {
    const { bound, work, message, ends } = await opened()
    const outage = outAfter(calls)
    const without = { bound: { ...bound, ...atHome(outage.db) }, work }
    const { pauses, left } = await goesOn(await message[kind](), without, days * 86_400)
    expect(pauses.slice(0, 12)).toEqual([0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048])
    expect(new Set(pauses.slice(12))).toEqual(new Set([3600]))
    if (left === undefined) throw new Error('nothing waits any longer')
    outage.restored()
    await goesOn(left, without)
    await ends[kind]()
    expect(log.events('message-failed')).toEqual([])
  })
})

describe('a message that waits', () => {
  it('is retried where the queue is out too', async () => {
    const { bound, message } = await opened()
    const silent = { send: () => Promise.reject(new Error('the queue is silent')) }
    const out = {
      ...bound,
      ...atHome(outAfter(0).db),
      WORK: silent as unknown as Queue<Message>, // nothing else is called
    }
    const body = { ...(await message.job()), waited: 3 }
    const outcome = await consume('work', [body], out)
    expect(await outcome()).toEqual({ acked: [], retried: [[0, 16]] })
  })

  it('is let go after a minute where a cron comes again', async () => {
    const { bound, work, message } = await opened()
    const out = { ...bound, ...atHome(outAfter(0).db) }
    const stalled: Message = { ...(await message.job()), stalled: true }
    work.splice(0)
    const soon = await consume('work', [stalled], out, 4)
    expect(await soon()).toEqual({ acked: [], retried: [[0, 16]] })
    const late = await consume('work', [stalled], out, 5)
    expect(await late()).toEqual({ acked: [0], retried: [] })
    expect(work).toEqual([])
  })

  it('in the dead-letter queue gives nothing up until the database answers', async () => {
    const { bound, message } = await opened()
    const body = await message.job()
    const outcome = await consume('work-dead', [body], { ...bound, ...atHome(outAfter(0).db) }, 20)
    expect(await outcome()).toEqual({ acked: [], retried: [[0, 3600]] })
    const { results } = await homeDb
      .prepare('SELECT state FROM jobs WHERE workspace_id = ?')
      .bind(body.workspace)
      .all()
    expect(results).toEqual([{ state: 'waiting' }])
  })
})

describe('while the primary is out', () => {
  it('look-ups, lists, profiles and audiences are answered by a replica', async () => {
    const team = await Team.open()
    const { workspace } = team
    const bank = await Bank.open(undefined, workspace)
    const group = await bank.group('owls')
    await bank.apply(group, 'ADD', 'ann\n')
    await team.define(household)
    await team.user('ann', { $address: 'here' })
    await team.audience('here', { attribute: '$address', operator: 'exists' })
    const { bound } = keeping(atHome(primaryOut()))
    const statusOf = async (path: string, headers: Record<string, string>) =>
      (await ask(path, { headers }, bound)).status
    const identity = `/platform/workspaces/${workspace}`
    for (const path of [
      `/groups/v3/groups/${group}/participants/ann`,
      '/groups/v3/participants/ann/groups',
      '/groups/v3/groups',
      `/groups/v3/groups/${group}/participants`,
    ])
      expect([path, await statusOf(path, bank.headers())]).toEqual([path, 200])
    for (const path of ['/groups', '/users/ann', '/audiences', '/audiences/here/count'])
      expect([
        path,
        await statusOf(`${identity}${path}`, { authorization: `Bearer ${team.token}` }),
      ]).toEqual([path, 200])
    expect(await statusOf(`/groups/v3/groups/${group}`, bank.headers())).toBe(500)
  })
})
