import { createMessageBatch } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { receiveUpload } from '../../src/experience/upload.ts'
import worker from '../../src/index.ts'
import type { Message } from '../../src/messages.ts'
import { usualTypes } from '../../src/webhooks/event.ts'
import { said, time } from '../support/answers.ts'
import { eventually, hasEnded, type Bank, type Json } from '../support/api.ts'
import { hazardous, parts } from '../support/hazard.ts'
import { hook, openedHooks, tried, verified } from '../support/hooks.ts'
import { household, type Team } from '../support/identity.ts'
import { unmoved } from '../support/rows.ts'

interface Event {
  id: string
  type: string
  timestamp: string
  data: Json
}

const eventsOf = async (team: Team) =>
  (await team.get<{ events: Event[] }>(`/events?size=1000&types=${usualTypes.join()}`)).events

/** What a webhook is sent of an event that is listed. */
const sentOf = ({ id, type, timestamp, data }: Event) => ({ id, type, timestamp, data })

/**
 * The types and data sent to a webhook for all events: once each, signed, as GET /events lists
 * them.
 */
async function announcedBy(
  act: (team: Team, bank: Bank) => Promise<void>,
  before?: (team: Team, bank: Bank) => Promise<void>,
): Promise<[string, Json][]> {
  const { team, bank } = await openedHooks()
  await before?.(team, bank)
  const past = (await eventsOf(team)).length
  const one = await hook(team)
  await act(team, bank)
  const events = (await eventsOf(team)).slice(past)
  await tried(team, one, events.length)
  const arrived = await one.receiver.arrived()
  const bodies = arrived.map((request) => ({
    id: request.headers['webhook-id'],
    ...verified(one.secret, request),
  }))
  const byId = (a: { id?: unknown }, b: { id?: unknown }) => (String(a.id) < String(b.id) ? -1 : 1)
  expect(bodies.sort(byId)).toEqual(events.map(sentOf).sort(byId))
  for (const request of arrived) {
    expect(request.method).toBe('POST')
    expect(request.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'Coterie-Webhooks/1',
    })
    expect((JSON.parse(request.body) as Json)['timestamp']).toMatch(time)
  }
  return events.map(({ type, data }) => [type, data])
}

describe('a group', () => {
  it('is announced when it is created, renamed and deleted', async () => {
    const name = `é🎉"\\'`
    let id = ''
    const events = await announcedBy(async (_, bank) => {
      id = await bank.group(name)
      expect((await bank.send('PUT', `/groups/${id}`, { groupName: 'bats' })).status).toBe(200)
      await bank.call('DELETE', `/groups/${id}`)
    })
    expect(events).toEqual([
      ['group.created', { group_id: id, name }],
      ['group.updated', { group_id: id, name: 'bats' }],
      ['group.deleted', { group_id: id }],
    ])
  })

  it('is not announced where it is neither created, renamed nor deleted', async () => {
    let owls = ''
    const nowhere = crypto.randomUUID()
    const events = await announcedBy(
      async (_, bank) => {
        const refused = [
          await bank.send('POST', '/groups', { groupName: 'owls' }),
          await bank.send('POST', '/groups', { groupName: 'x'.repeat(51) }),
          await bank.send('POST', '/groups', {}),
          await bank.send('PUT', `/groups/${owls}`, { groupName: 'bats' }),
          await bank.send('PUT', `/groups/${owls}`, {
            groupName: 'owls',
            groupDescription: 'x'.repeat(451),
          }),
          await bank.send('PUT', `/groups/${nowhere}`, { groupName: 'rats' }),
          await bank.call('DELETE', `/groups/${nowhere}`),
        ]
        expect(refused.map(({ ok }) => ok)).toEqual(refused.map(() => false))
      },
      async (_, bank) => {
        owls = await bank.group('owls')
        await bank.group('bats')
      },
    )
    expect(events).toEqual([])
  })

  it('is announced once where many create or delete it together', async () => {
    const events = await announcedBy(async (_, bank) => {
      await Promise.all([1, 2, 3, 4].map(() => bank.send('POST', '/groups', { groupName: 'owls' })))
      const [group] = (await bank.get('/groups'))['content'] as Json[] // a page of groups
      await Promise.all(
        [1, 2, 3, 4].map(() => bank.call('DELETE', `/groups/${String(group?.['groupId'])}`)),
      )
    })
    expect(events.map(([type]) => type)).toEqual(['group.created', 'group.deleted'])
  })
})

describe('an upload', () => {
  it('is announced with the figures of its job', async () => {
    let group = ''
    const jobs: Json[] = []
    const events = await announcedBy(
      async (_, bank) => {
        jobs.push(await bank.apply(group, 'ADD', 'ann\nbob\nbob\ncid\na,b\n'))
        jobs.push(await bank.apply(group, 'REMOVE', 'ann\nzoe\n'))
        jobs.push(await bank.apply(group, 'REPLACE', 'bob\ndan\neve\n'))
        jobs.push(await bank.apply(group, 'ADD', 'dan\n'))
      },
      async (_, bank) => void (group = await bank.group()),
    )
    const data = (at: number, type: string, more: Json) => ({
      group_id: group,
      job_id: jobs[at]?.['jobId'],
      type,
      failed: 0,
      ...more,
    })
    expect(events).toEqual([
      [
        'group.participants.changed',
        data(0, 'ADD', { revision: 1, added: 3, removed: 0, unchanged: 1, failed: 1 }),
      ],
      [
        'group.participants.changed',
        data(1, 'REMOVE', { revision: 2, added: 0, removed: 1, unchanged: 1 }),
      ],
      [
        'group.participants.changed',
        data(2, 'REPLACE', { revision: 3, added: 2, removed: 1, unchanged: 1 }),
      ],
      [
        'group.participants.changed',
        data(3, 'ADD', { revision: 4, added: 0, removed: 0, unchanged: 1 }),
      ],
    ])
    for (const [at, [, { added, removed, unchanged, failed }]] of events.entries())
      expect(jobs[at]).toMatchObject({
        addedCount: added,
        removedCount: removed,
        unchangedCount: unchanged,
        failedRecordsCount: failed,
      })
  })

  it('that has no good row is announced as failed', async () => {
    let group = ''
    const jobs: Json[] = []
    const events = await announcedBy(
      async (_, bank) => {
        for (const type of ['ADD', 'REPLACE']) jobs.push(await bank.apply(group, type, 'a,b\n'))
      },
      async (_, bank) => void (group = await bank.group()),
    )
    expect(events).toEqual(
      jobs.map(({ jobId }) => [
        'job.failed',
        { job_id: jobId, group_id: group, reason: 'no-good-row' },
      ]),
    )
  })

  it('that is refused is not announced', async () => {
    let group = ''
    const events = await announcedBy(
      async (_, bank) => {
        const refused = [
          await bank.upload(crypto.randomUUID(), 'ADD', 'ann\n'),
          await bank.upload(group, 'ADD', ''),
          await bank.upload(group, 'MERGE', 'ann\n'),
        ]
        expect(refused.map(({ ok }) => ok)).toEqual([false, false, false])
      },
      async (_, bank) => void (group = await bank.group()),
    )
    expect(events).toEqual([])
  })

  it('that was given up is announced as failed once undone', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team, { event_types: ['job.failed', 'group.participants.changed'] })
    const group = await bank.group()
    const { res } = hazardous()
    const job = await receiveUpload(res, bank.workspace, group, {
      createdBy: 'tester',
      parts: parts('ADD', 'ann\n'),
    })
    const body: Message = { kind: 'job', workspace: bank.workspace, job: job.key }
    await unmoved('jobs', job.key)
    await worker.queue(
      createMessageBatch<Message>('work-dead', [
        { id: 'dead', timestamp: new Date(), attempts: 1, body },
      ]),
      env,
    )
    expect(await bank.ended(job.id)).toMatchObject({ jobStatus: 'FAILED' })
    await tried(team, one, 1)
    const arrived = await one.receiver.arrived()
    const data = { job_id: job.id, group_id: group, reason: 'gave-up' }
    expect(arrived.map((request) => verified(one.secret, request))).toMatchObject([
      { type: 'job.failed', data },
    ])
  })
})

describe('a file of users', () => {
  const send = async (team: Team, file: string) => {
    const form = new FormData()
    form.set('fileName', new File([file], 'users.csv', { type: 'text/csv' }))
    const { id } = await said(team.call('PUT', '/users', { body: form }))
    await eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
    return String(id)
  }

  it('is announced where it fails, with the reason, and only there', async () => {
    const ids: string[] = []
    const events = await announcedBy(async (team) => {
      ids.push(await send(team, 'user_id,plan\nann,gold\n'))
      ids.push(await send(team, 'name,plan\nann,gold\n'))
      ids.push(await send(team, 'user_id,plan\nann,gold,x,y\n'))
    })
    expect(events).toEqual([
      ['job.failed', { job_id: ids[1], group_id: null, reason: 'header' }],
      ['job.failed', { job_id: ids[2], group_id: null, reason: 'no-good-row' }],
    ])
  })
})

describe('a definition', () => {
  it('is announced when created, updated and deleted, but not when refused', async () => {
    const events = await announcedBy(async (team) => {
      await team.define(household)
      expect((await team.send('POST', '/groups', household)).status).toBe(422)
      expect((await team.send('POST', '/groups', { ...household, id: 'second' })).status).toBe(422)
      expect((await team.send('POST', '/groups', {})).status).toBe(422)
      expect((await team.send('PATCH', '/groups/household', { attributes: [] })).status).toBe(200)
      expect((await team.send('PUT', '/groups/household', household)).status).toBe(200)
      for (const method of ['PATCH', 'PUT']) {
        expect((await team.send(method, '/groups/household', { attributes: 7 })).status).toBe(422)
        expect((await team.send(method, '/groups/nowhere', household)).status).toBe(404)
      }
      expect((await team.call('DELETE', '/groups/nowhere')).status).toBe(404)
      expect((await team.call('DELETE', '/groups/household')).ok).toBe(true)
      expect((await team.call('DELETE', '/groups/household')).status).toBe(404)
    })
    expect(events).toEqual(
      ['created', 'updated', 'updated', 'deleted'].map((what) => [
        `definition.${what}`,
        { definition_id: 'household' },
      ]),
    )
  })

  it("is announced when its households are recomputed, with its run's figures", async () => {
    let run: Json = {}
    const events = await announcedBy(
      async (team) => {
        run = await team.recompute()
        expect((await team.call('POST', '/groups/nowhere/recompute')).status).toBe(404)
      },
      async (team) => {
        await team.define(household)
        for (let i = 0; i < 12; i++)
          await team.user(`user-${i}`, { $address: '123 Main St', has_dog: true })
        await team.user('ann', { $address: '5 Oak Ave' })
      },
    )
    const { id, groups, users_seated, users_over_limit, rows_changed } = run
    expect(run).toMatchObject({ groups: 2, users_seated: 11, users_over_limit: 2 })
    const data = {
      definition_id: 'household',
      run_id: id,
      groups,
      users_seated,
      users_over_limit,
      rows_changed,
    }
    expect(events).toEqual([['household.recomputed', data]])
  })
})

describe('an audience', () => {
  it("is announced when it has filled its group, beside the group's event", async () => {
    let group = ''
    let job: unknown
    const events = await announcedBy(
      async (team, bank) => {
        job = (await said(team.call('POST', '/audiences/coupon/sync')))['job_id']
        await bank.ended(String(job))
        await team.audience('detached', { operator: 'exists', attribute: 'x' })
        expect((await team.call('POST', '/audiences/detached/sync')).status).toBe(422)
      },
      async (team, bank) => {
        for (const id of ['ann', 'bob']) await team.user(id, { has_dog: true })
        await team.audience('coupon', { operator: 'exists', attribute: 'has_dog' })
        group = await bank.group()
        await bank.apply(group, 'ADD', 'zoe\nann\n')
        await team.attach('coupon', group)
      },
    )
    const data = {
      group_id: group,
      job_id: job,
      type: 'REPLACE',
      revision: 2,
      added: 1,
      removed: 1,
      unchanged: 1,
      failed: 0,
    }
    expect(events).toEqual([
      ['group.participants.changed', data],
      ['audience.synced', { ...data, audience_id: 'coupon' }],
    ])
  })
})

describe('a webhook', () => {
  it('is sent only the types of its subscription, from the next event', async () => {
    const { team, bank } = await openedHooks()
    const one = await hook(team, { event_types: ['group.updated', 'group.deleted'] })
    const group = await bank.group('a')
    await bank.send('PUT', `/groups/${group}`, { groupName: 'b' })
    await tried(team, one, 1)
    await team.send('PUT', `/webhooks/${one.id}`, {
      url: one.receiver.url,
      event_types: ['group.created'],
    })
    await bank.send('PUT', `/groups/${group}`, { groupName: 'c' })
    await bank.group('d')
    await tried(team, one, 2)
    const announcedBy = (await one.receiver.arrived()).map(
      ({ body }) => JSON.parse(body) as { type: string; data: Json },
    ) // verified elsewhere
    expect(announcedBy.map(({ type, data }) => [type, data['name']])).toEqual([
      ['group.updated', 'b'],
      ['group.created', 'd'],
    ])
  })

  it("is sent nothing of another workspace's", async () => {
    const [ours, theirs] = [await openedHooks(), await openedHooks()]
    const [one, other] = [await hook(ours.team), await hook(theirs.team)]
    await theirs.bank.group('theirs')
    await tried(theirs.team, other, 1)
    await ours.bank.group('ours')
    await tried(ours.team, one, 1)
    for (const [{ receiver }, name] of [
      [one, 'ours'],
      [other, 'theirs'],
    ] as const) {
      const arrived = await receiver.arrived()
      expect(arrived.map(({ body }) => JSON.parse(body) as Json)).toMatchObject([
        { type: 'group.created', data: { name } },
      ])
    }
  })
})
