import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/messages.ts'
import { isEmpty } from '../support/answers.ts'
import { json } from '../support/api.ts'
import { ask, consume, keeping, type Kept } from '../support/bindings.ts'
import { atHome, homeDb } from '../support/databases.ts'
import { ann, at } from '../support/events.ts'
import { Lab } from '../support/experiments.ts'
import { seen, storedExposures } from '../support/exposures.ts'
import { Team } from '../support/identity.ts'
import { logged } from '../support/log.ts'
import { outAfter } from '../support/outage.ts'
import { allWritten, countOfReports } from '../support/taken.ts'
import { watched } from '../support/watched.ts'

const log = logged()

/** A message that says of some users that they are there. */
const message = (workspace: number, ...users: string[]): Message => ({
  ...{ kind: 'reports', workspace, taken: 1 },
  reports: users.map((user) => ({ user, at: 1, changes: [['a', user]] })),
})

/** One that the database refuses. */
const poison = (workspace: number): Message => ({
  ...message(workspace),
  ...{ reports: [{ user: 'eve', at: null as unknown as number, changes: [['a', 'b']] }] },
})

const known = async (team: Team) => {
  const query = 'SELECT user_id AS user FROM users WHERE workspace_id = ? ORDER BY user_id'
  const { results } = await homeDb.prepare(query).bind(team.workspace).all<{ user: string }>()
  return results.map(({ user }) => user)
}

it('events reach the user by way of the queue', async () => {
  const team = await Team.open()
  const before = countOfReports()
  const now = Date.now()
  for (let i = 0; i < 20; i++)
    await isEmpty(team.post('/v2/events', ann({ a: i }, at(now - 1000 + 10 * i))), 202)
  await allWritten()
  expect((await team.profile('1'))['user_attributes']).toEqual({ a: 19 })
  const { sent, written } = countOfReports()
  expect([sent - before.sent, written - before.written]).toEqual([20, 20])
})

describe('messages of the queue of events', () => {
  it('are written and acknowledged together, with nothing under way', async () => {
    const team = await Team.open()
    const { workspace } = team
    const at = watched(keeping().bound)
    const bodies = [message(workspace, 'ann', 'bob'), message(workspace, 'cid')]
    const outcome = await consume('events', bodies, at.slow)
    expect(at.underWay()).toEqual([])
    expect(at.begun.map(({ what }) => what)).toEqual(['batch'])
    expect(await outcome()).toEqual({ acked: [0, 1], retried: [] })
    expect(await known(team)).toEqual(['ann', 'bob', 'cid'])
  })

  it('are not held up by one that fails, which is retried', async () => {
    const team = await Team.open()
    const { workspace } = team
    const bodies = [message(workspace, 'ann'), poison(workspace), message(workspace, 'bob')]
    const { bound, events } = keeping()
    for (const [attempts, delaySeconds] of [
      [1, 2],
      [8, 256],
    ] as const) {
      const outcome = await consume('events', bodies, bound, attempts)
      expect(await outcome()).toEqual({ acked: [0, 2], retried: [[1, delaySeconds]] })
    }
    expect(await known(team)).toEqual(['ann', 'bob'])
    expect(events).toEqual([])
    expect(log.events('message-failed')).toMatchObject([
      { kind: 'reports', workspace, attempts: 1, queue: 'events' },
      { attempts: 8 },
    ])
    expect(log.lines().filter((line) => /\b(ann|bob|eve)\b/.test(line))).toEqual([])
  })

  it('wait for days while the database is out, and are written then', async () => {
    const team = await Team.open()
    const { workspace } = team
    const { bound, events } = keeping()
    const outage = outAfter(0)
    const out = { ...bound, ...atHome(outage.db) }
    let left: Kept[] = [
      { message: message(workspace, 'ann'), delaySeconds: 0 },
      { message: message(workspace, 'bob'), delaySeconds: 0 },
    ]
    let passed = 0
    while (passed < 5 * 86_400) {
      const outcome = await consume(
        'events',
        left.map(({ message }) => message),
        out,
      )
      expect(await outcome()).toEqual({ acked: [0, 1], retried: [] })
      left = events.splice(0)
      passed += left[0]?.delaySeconds ?? Infinity
    }
    outage.restored()
    await consume(
      'events',
      left.map(({ message }) => message),
      out,
    )
    expect(await known(team)).toEqual(['ann', 'bob'])
    expect(log.events('message-failed')).toEqual([])
    expect(log.events('message-waits').length).toBeGreaterThan(200)
  })

  it('are retried where database and queue are out', async () => {
    const team = await Team.open()
    const silent = { send: () => Promise.reject(new Error('the queue is silent')) }
    const EVENTS = silent as unknown as Queue<Message> // nothing else is called
    const out = { ...env, ...atHome(outAfter(0).db), EVENTS }
    const outcome = await consume('events', [{ ...message(team.workspace), waited: 3 }], out)
    expect(await outcome()).toEqual({ acked: [], retried: [[0, 16]] })
  })
})

describe('messages of both kinds', () => {
  /** A running experiment, and messages of exposures to it: one of those is refused by the database. */
  async function exposing() {
    const lab = await Lab.open()
    await lab.running('colours')
    const { bound, events } = keeping()
    const { workspace, token } = lab.team
    const { headers, ...init } = json('POST', { exposures: [seen('colours', 'zoe', 'control')] })
    const all = { ...(headers as Record<string, string>), authorization: `Bearer ${token}` }
    const path = `/platform/workspaces/${workspace}/experiments/exposures`
    await isEmpty(ask(path, { ...init, headers: all }, bound), 202)
    const [good] = events.splice(0)
    if (good?.message.kind !== 'exposures') throw new Error('no exposures were taken')
    const [one] = good.message.exposures
    const bad = {
      ...good.message,
      exposures: [{ ...one, participant: 'yan', at: null }],
    } as unknown as Message
    const exposed = async () => (await storedExposures(workspace)).rows.map(({ who }) => who)
    return { ...lab, bound, events, good: good.message, bad, exposed }
  }

  it('are written beside each other, and those that fail retried alone', async () => {
    const { team, bound, good, bad, exposed } = await exposing()
    const { workspace } = team
    const bodies = [bad, message(workspace, 'ann'), good, poison(workspace)]
    const outcome = await consume('events', bodies, bound)
    const { acked, retried } = await outcome()
    expect([acked, retried.toSorted()]).toEqual([
      [1, 2],
      [
        [0, 2],
        [3, 2],
      ],
    ])
    expect([await known(team), await exposed()]).toEqual([['ann'], ['zoe']])
  })

  it('wait on the queue of events while the database is out', async () => {
    const { team, bound, events, good, exposed } = await exposing()
    const outage = outAfter(0)
    const out = { ...bound, ...atHome(outage.db) }
    const outcome = await consume('events', [good, message(team.workspace, 'ann')], out)
    expect(await outcome()).toEqual({ acked: [0, 1], retried: [] })
    expect(await exposed()).toEqual([])
    const waiting = events.map(({ message }) => message)
    expect(waiting.map(({ kind }) => kind).sort()).toEqual(['exposures', 'reports'])
    await consume('events', waiting, bound)
    expect([await known(team), await exposed()]).toEqual([['ann'], ['zoe']])
  })

  it('are tried again as dead letters, and logged once they are lost', async () => {
    const { bound, good, bad, exposed } = await exposing()
    const outcome = await consume('events-dead', [good, bad], bound)
    expect(await outcome()).toEqual({ acked: [0], retried: [[1, 2]] })
    expect(await exposed()).toEqual(['zoe'])
    expect(log.events('message-failed')).toEqual([])
    const lost = await consume('events-dead', [bad], bound, 101)
    expect(await lost()).toEqual({ acked: [0], retried: [] })
    expect(log.events('message-failed')).toMatchObject([{ kind: 'exposures', attempts: 101 }])
    expect(log.lines().filter((line) => line.includes('zoe'))).toEqual([])
  })
})

describe('dead letters of events', () => {
  it('are written where they can be', async () => {
    const team = await Team.open()
    const bodies = [message(team.workspace, 'ann'), poison(team.workspace)]
    const outcome = await consume('events-dead', bodies, keeping().bound)
    expect(await outcome()).toEqual({ acked: [0], retried: [[1, 2]] })
    expect(await known(team)).toEqual(['ann'])
  })

  it('are tried again for days, and logged once they are lost', async () => {
    const { workspace } = await Team.open()
    const { bound } = keeping()
    let days = 0
    for (let attempts = 1; attempts <= 100; attempts++) {
      const outcome = await consume('events-dead', [poison(workspace)], bound, attempts)
      const { acked, retried } = await outcome()
      expect(acked).toEqual([])
      days += Number(retried[0]?.[1]) / 86_400
    }
    // A queue keeps a message for four days.
    expect(days).toBeGreaterThan(3.5)
    expect(days).toBeLessThan(4)
    expect(log.events('message-failed')).toEqual([])
    const outcome = await consume('events-dead', [poison(workspace)], bound, 101)
    expect(await outcome()).toEqual({ acked: [0], retried: [] })
    expect(log.events('message-failed')).toMatchObject([
      { kind: 'reports', workspace, attempts: 101, queue: 'events-dead' },
    ])
  })

  it('are lost too where the database has been out as long', async () => {
    const { workspace } = await Team.open()
    const out = { ...keeping().bound, ...atHome(outAfter(0).db) }
    const waits = await consume('events-dead', [message(workspace, 'ann')], out, 100)
    expect(await waits()).toEqual({ acked: [], retried: [[0, 3600]] })
    const lost = await consume('events-dead', [message(workspace, 'ann')], out, 101)
    expect(await lost()).toEqual({ acked: [0], retried: [] })
    expect(log.events('message-failed')).toHaveLength(1)
  })
})
