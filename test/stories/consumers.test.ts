import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { Bank, json, lines } from '../support/api.ts'
import { ask, consume, keeping, type Kept } from '../support/bindings.ts'
import { atHome, homeDb, homeResources, sentAtHome } from '../support/databases.ts'
import { fileParts, parts } from '../support/hazard.ts'
import { hook, hookScopes } from '../support/hooks.ts'
import { household, Team } from '../support/identity.ts'
import { outAfter } from '../support/outage.ts'
import { watched } from '../support/watched.ts'
import { unmoved } from '../support/rows.ts'
import { uploaded } from '../support/uploads.ts'

const isAcked = { acked: [0], retried: [] }
const people = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `person-${String(from + i).padStart(5, '0')}`)

// Work of one test that still waits would have the messages of the next let it go first.
beforeEach(async () => {
  for (const table of ['jobs', 'recompute_runs']) await homeDb.prepare(`DELETE FROM ${table}`).run()
})

/** A workspace in which work waits that no message was delivered for. */
async function waiting() {
  const team = await Team.open(hookScopes)
  const { workspace } = team
  const bank = await Bank.open(undefined, workspace)
  const group = await bank.group()
  const kept = keeping()
  const res = homeResources(kept.bound)
  const sent = () => kept.work.splice(0)
  return {
    ...{ team, bank, workspace, group, res, ...kept, sent },
    upload: async (type: string, ids: string[]) => {
      const job = await uploaded(res, workspace, group, parts(type, lines(ids)))
      sent()
      return { ...job, message: { kind: 'job', workspace, job: job.key } satisfies Message }
    },
    usersFile: async (text: string) => {
      const job = await receiveUsers(res, workspace, 'tester', fileParts(text))
      sent()
      return { ...job, message: { kind: 'import', workspace, job: job.key } satisfies Message }
    },
    recompute: async () => {
      const run = await requestRecompute(res, workspace, household.id)
      sent()
      return { ...run, message: { kind: 'recompute', workspace, run: run.key } satisfies Message }
    },
  }
}

const rows = async (query: string, ...values: unknown[]): Promise<Record<string, unknown>[]> =>
  (
    await homeDb
      .prepare(query)
      .bind(...values)
      .all()
  ).results

const stateOf = async (table: string, key: number) =>
  (await rows(`SELECT state FROM ${table} WHERE key = ?`, key))[0]?.['state']

const eventsOf = (workspace: number, type: string) =>
  rows('SELECT data FROM events WHERE workspace_id = ? AND type = ?', workspace, type)

/** Hands a message over with slow bindings: what nobody waits for would be under way at the end. */
async function answered(queue: string, message: Message, bound: Env) {
  const at = watched(bound)
  const outcome = await consume(queue, [message], at.slow)
  expect(at.underWay()).toEqual([])
  const { length } = at.begun
  await scheduler.wait(20)
  expect(at.begun.slice(length)).toEqual([])
  expect(await outcome()).toEqual(isAcked)
}

const later = (message: Message, delaySeconds = 0): Kept => ({
  message: sentAtHome(message),
  delaySeconds,
})

describe('a message of the queue of work', () => {
  it('for a job applies it, deletes its file, enqueues the next', async () => {
    const {
      bound,
      upload,
      sent,
      bank,
      group,
      bound: { FILES },
    } = await waiting()
    const [one, two] = [await upload('ADD', ['ann']), await upload('ADD', ['bob'])]
    await answered('work', one.message, bound)
    expect(await bank.members(group)).toEqual(['ann'])
    expect(await FILES.head(one.fileKey)).toBeNull()
    expect(sent()).toEqual([later(two.message)])
    await answered('work', two.message, bound)
    expect(sent()).toEqual([])
  })

  it('for a job prunes once the removed outnumber members by a thousand', async () => {
    const { bound, upload, sent, workspace, group } = await waiting()
    await answered('work', (await upload('ADD', people(0, 1200))).message, bound)
    await answered('work', (await upload('REMOVE', people(0, 1100))).message, bound)
    expect(sent()).toEqual([])
    const last = await upload('REMOVE', people(1100, 1101))
    await answered('work', last.message, bound)
    const prune = { kind: 'prune', workspace, group: last.group, after: '' } as const
    expect(sent()).toEqual([later(prune)])

    await answered('work', prune, bound)
    const counts = () =>
      rows(
        `SELECT removed_since_prune AS removed, (SELECT count(*) FROM members WHERE group_key = g.key) AS members
         FROM experience_groups AS g WHERE id = ?`,
        group,
      )
    // The last revision's are kept until the one after it.
    expect(await counts()).toEqual([{ removed: 0, members: 100 }])
    expect(sent()).toEqual([])
  })

  it('for a file of users merges it, deletes it, enqueues the next', async () => {
    const {
      bound,
      usersFile,
      sent,
      team,
      workspace,
      bound: { FILES },
    } = await waiting()
    const one = await usersFile('user_id,town\nann,Ulm\n')
    const two = await usersFile('user_id,town\nann,Bonn\n')
    await answered('work', one.message, bound)
    expect((await team.profile('ann'))['user_attributes']).toEqual({ town: 'Ulm' })
    expect((await FILES.list({ prefix: `uploads/${workspace}/` })).objects).toHaveLength(1)
    expect(sent()).toEqual([later(two.message)])
    await answered('work', two.message, bound)
    expect(sent()).toEqual([])
  })

  it('for a run forms its groups and enqueues the next run', async () => {
    const { bound, recompute, sent, team } = await waiting()
    await team.define(household)
    await team.user('ann', { $address: 'here' })
    const one = await recompute()
    await homeDb
      .prepare("UPDATE recompute_runs SET state = 'failed' WHERE key = ?")
      .bind(one.key)
      .run()
    const two = await recompute()
    await homeDb
      .prepare("UPDATE recompute_runs SET state = 'waiting' WHERE key = ?")
      .bind(one.key)
      .run()
    await answered('work', one.message, bound)
    expect(await team.get('/groups/household/instances')).toMatchObject({
      instances: [{ members: [{ user_id: 'ann' }] }],
    })
    expect(sent()).toEqual([later(two.message)])
  })

  it('erases what was deleted: a group, a definition', async () => {
    const { bound, workspace, group, bank, team, upload } = await waiting()
    await answered('work', (await upload('ADD', ['ann'])).message, bound)
    await team.define(household)
    const count = `SELECT (SELECT count(*) FROM experience_groups WHERE id = ?1)
      + (SELECT count(*) FROM group_definitions WHERE workspace_id = ?2) AS left`
    const [known] = await rows('SELECT key FROM experience_groups WHERE id = ?', group)
    const [formed] = await rows(
      'SELECT key FROM group_definitions WHERE workspace_id = ?',
      workspace,
    )
    await homeDb.batch([
      homeDb.prepare('UPDATE experience_groups SET deleted_at = 1 WHERE id = ?').bind(group),
      homeDb
        .prepare('UPDATE group_definitions SET deleted_at = 1 WHERE workspace_id = ?')
        .bind(workspace),
    ])
    await answered('work', { kind: 'erase', workspace, group: Number(known?.['key']) }, bound)
    expect(await rows(count, group, workspace)).toEqual([{ left: 1 }])
    expect(await bank.members(group)).toEqual([])
    const definition = Number(formed?.['key'])
    await answered('work', { kind: 'erase-definition', workspace, definition }, bound)
    expect(await rows(count, group, workspace)).toEqual([{ left: 0 }])
  })

  it('that fails is retried after a doubling delay, alone of its batch', async () => {
    const { bound, upload, bank, group } = await waiting()
    const [bad, good] = [await upload('ADD', ['ann']), await upload('ADD', ['bob'])]
    await env.FILES.delete(bad.fileKey)
    const other = await waiting()
    const fine = await other.upload('ADD', ['cid'])
    for (const [attempts, delaySeconds] of [
      [1, 2],
      [3, 8],
      [8, 256],
      [9, 300],
    ] as const) {
      const outcome = await consume('work', [bad.message, fine.message], bound, attempts)
      expect(await outcome()).toEqual({ acked: [1], retried: [[0, delaySeconds]] })
    }
    expect(await other.bank.members(other.group)).toEqual(['cid'])
    expect(await bank.members(group)).toEqual([])
    expect(await stateOf('jobs', good.key)).toBe('waiting')
  })

  it('of a kind that only another version knows is retried, then dropped', async () => {
    const { bound, workspace, sent } = await waiting()
    const unknown = { kind: 'of another version', workspace } as unknown as Message
    const outcome = await consume('work', [unknown], bound)
    expect(await outcome()).toEqual({ acked: [], retried: [[0, 2]] })
    await answered('work-dead', unknown, bound)
    expect(sent()).toEqual([])
  })
})

describe('a message of the queue of deliveries', () => {
  it('sends what is due, and is dropped once it failed for good', async () => {
    const { bound, team, bank, workspace, deliveries } = await waiting()
    const { receiver } = await hook(team)
    const [row] = await rows('SELECT key FROM webhooks WHERE workspace_id = ?', workspace)
    const message: Message = { kind: 'deliver', workspace, webhook: Number(row?.['key']) }
    const attempts = 'SELECT attempts FROM deliveries WHERE workspace_id = ?'
    const created = json('POST', { groupName: 'owls' })
    const headers = { ...bank.headers(), 'content-type': 'application/json' }
    await ask('/groups/v3/groups', { ...created, headers }, bound)
    expect(deliveries.splice(0)).toEqual([later(message)])

    await answered('deliveries-dead', message, bound)
    expect(await rows(attempts, workspace)).toEqual([{ attempts: 0 }])
    await answered('deliveries', message, bound)
    expect(await rows(attempts, workspace)).toEqual([{ attempts: 1 }])
    expect(await receiver.arrived()).toHaveLength(1)
    expect(deliveries).toEqual([])
  })
})

describe('a message that failed for good', () => {
  it.each(['job', 'import'] as const)(
    'gives up its %s and enqueues it, later where undoing failed',
    async (kind) => {
      const { bound, upload, usersFile, sent, workspace } = await waiting()
      const work =
        kind === 'job' ? await upload('ADD', ['ann']) : await usersFile('user_id,town\nann,Ulm\n')
      await unmoved('jobs', work.key)
      await answered('work-dead', work.message, bound)
      expect(await stateOf('jobs', work.key)).toBe('undoing')
      expect(sent()).toEqual([later(work.message)])
      await answered('work-dead', work.message, bound)
      expect(sent()).toEqual([later(work.message, 300)])

      await answered('work', work.message, bound)
      expect(await stateOf('jobs', work.key)).toBe('failed')
      const [event] = await eventsOf(workspace, 'job.failed')
      expect(JSON.parse(String(event?.['data']))).toMatchObject({ reason: 'gave-up' })
    },
  )

  it('gives up its run, and enqueues the next of its definition', async () => {
    const { bound, recompute, sent, team } = await waiting()
    await team.define(household)
    const one = await recompute()
    await unmoved('recompute_runs', one.key)
    await answered('work-dead', one.message, bound)
    expect(await stateOf('recompute_runs', one.key)).toBe('failed')
    expect(sent()).toEqual([later(one.message)])
    const two = await recompute()
    await answered('work', one.message, bound)
    expect(sent()).toEqual([later(two.message)])
  })

  it('does not give up work that another invocation has moved since', async () => {
    const { bound, upload, usersFile, recompute, sent, team } = await waiting()
    await team.define(household)
    const [run, table] = [await recompute(), 'recompute_runs'] as const
    for (const [work, of] of [
      [await upload('ADD', ['ann']), 'jobs'],
      [await usersFile('user_id,town\nann,Ulm\n'), 'jobs'],
      [run, table],
    ] as const) {
      await unmoved(of, work.key)
      // The revival dies once it has begun.
      const dying = { ...bound, ...atHome(outAfter(3).db) }
      expect(await (await consume('work', [work.message], dying))()).toMatchObject({ acked: [0] })
      const state = await stateOf(of, work.key)
      expect(state).not.toBe('waiting')
      sent()
      await answered('work-dead', work.message, bound)
      expect(await stateOf(of, work.key)).toBe(state)
      expect(sent()).toEqual([later(work.message, 300)])
    }
  })

  it('is dropped where a cron comes back to its work', async () => {
    const { bound, sent, workspace, group } = await waiting()
    const [row] = await rows('SELECT key FROM experience_groups WHERE id = ?', group)
    const key = Number(row?.['key'])
    for (const message of [
      { kind: 'prune', workspace, group: key, after: '' },
      { kind: 'erase', workspace, group: key },
      { kind: 'erase-people', workspace, erasure: 1 },
      { kind: 'erase-definition', workspace, definition: 1 },
      { kind: 'erase-experiment', workspace, experiment: 1 },
    ] satisfies Message[])
      await answered('work-dead', message, bound)
    expect(sent()).toEqual([])
  })
})
