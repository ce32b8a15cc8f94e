import { Webhook } from 'standardwebhooks'
import { expect, it } from 'vitest'
import { Bank, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'
import { attempted, Receiver } from '../support/receiver.ts'

const scopes = ['webhooks:read', 'webhooks:write']

it("a receiver gets an upload's events, signed so that they verify", async () => {
  const bank = await Bank.open()
  const team = await Team.open(scopes, bank.workspace)
  const receiver = new Receiver()
  const opened = await team.send('POST', '/webhooks', {
    url: receiver.url,
    event_types: ['group.participants.changed'],
  })
  expect(opened.status).toBe(201)
  const { id, secret } = await opened.json<{ id: string; secret: string }>()

  const group = await bank.group('owls')
  const job = await bank.apply(group, 'ADD', 'ann\nbob\na,b\n')
  const [arrived] = await receiver.until(1)
  if (arrived === undefined) throw new Error('nothing arrived')
  const data = {
    group_id: group,
    job_id: job['jobId'],
    type: 'ADD',
    revision: 1,
    added: 2,
    removed: 0,
    unchanged: 0,
    failed: 1,
  }
  expect(new Webhook(secret).verify(arrived.body, arrived.headers)).toMatchObject({
    type: 'group.participants.changed',
    data,
  })
  expect(() => new Webhook(secret).verify(`${arrived.body} `, arrived.headers)).toThrow()

  const deliveries = await attempted(team, id, 1)
  expect(deliveries).toMatchObject([
    { id: arrived.headers['webhook-id'], status: 'delivered', attempts: [{ status_code: 204 }] },
  ])
  const { events } = await team.get<{ events: Json[] }>('/events')
  expect(events.map(({ type }) => type)).toEqual([
    'webhook.created',
    'group.created',
    'job.created',
    'group.participants.changed',
  ])
})
