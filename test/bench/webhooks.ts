import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { getToken, Groups, registerClient } from '../local/api.ts'
import { json, send } from '../local/http.ts'
import { Platform } from '../local/platform.ts'
import { startServer, type Server } from '../local/server.ts'
import { randomIds, writeIds } from './ids.ts'
import { median, type Row } from './row.ts'
import { trip } from './trip.ts'

const full = { events: 1000, receivers: 10, ids: 100_000, rounds: 7 }

/** As many as the Worker sends to one receiver at once. */
const lanes = 5
/** Milliseconds between two polls of a job. */
const every = 20

/** Deliveries to many receivers, beside a bare loop; and what webhooks cost an upload. */
export async function webhooks(folder: string, size = full): Promise<Row[]> {
  const server = await startServer({ stateDir: join(folder, 'state') })
  const receiver = await listen()
  const rows = [await fanOut(server, receiver, size), await uploads(server, receiver, folder, size)]
  receiver.close()
  await server.stop()
  return rows
}

interface Listener {
  url: string
  /** Resolves once so many more requests have been answered. */
  more: (count: number) => Promise<void>
  close: () => void
}

async function listen(): Promise<Listener> {
  let waiting = { left: 0, done: () => undefined as void }
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(204).end()
      if (--waiting.left === 0) waiting.done()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // a TCP server has a port
    more: (left) => new Promise((done) => (waiting = { left, done })),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function open({ url, adminToken }: Server, workspace: number) {
  const client = await registerClient(url, adminToken, 'bench', { workspace })
  const token = await getToken(url, client)
  return {
    groups: new Groups(url, token),
    platform: new Platform(url, client, token),
    token,
    workspace,
  }
}

/** Each of many receivers is sent each of many events, which have happened before. */
async function fanOut(
  server: Server,
  receiver: Listener,
  { events, receivers }: typeof full,
): Promise<Row> {
  const { groups, token, workspace } = await open(server, 1)
  for (let i = 0; i < events; i += 10)
    await Promise.all(Array.from({ length: 10 }, (_, j) => groups.create(`Group ${i + j}`)))
  const path = `${server.url}/platform/workspaces/${workspace}/webhooks`
  const headers = { Authorization: `Bearer ${token}` }
  const post = async (what: string, to: string, body: unknown) => {
    const init = json('POST', body)
    return (
      await send(what, to, { ...init, headers: { ...init.headers, ...headers } })
    ).json() as Promise<{ id: string }> // a webhook
  }
  const ids: string[] = []
  for (let i = 0; i < receivers; i++)
    ids.push(
      (
        await post('a webhook', path, {
          url: `${receiver.url}/${i}`,
          event_types: ['group.created'],
        })
      ).id,
    )

  const total = events * receivers
  const arrived = receiver.more(total)
  const start = performance.now()
  for (const id of ids)
    await post('a replay', `${path}/${id}/replay`, {
      since: new Date(0).toISOString(),
      only: 'all',
    })
  await arrived
  const ours = total / ((performance.now() - start) / 1000)

  const theirs = total / (await plainly(receiver, total, receivers * lanes))
  return {
    figure: `${events} events to ${receivers} receivers`,
    measured: theirs,
    beside: 'the Worker',
    baseline: ours,
    unit: '/s',
    by: 'ratio',
    most: 4,
    note:
      'Deliveries a second of a loop in Node that signs and posts bodies of the same length, ' +
      "as many at once, divided by the Worker's.",
  }
}

/** Seconds that it takes to sign and post so many bodies, so many at once. */
async function plainly(receiver: Listener, total: number, atOnce: number): Promise<number> {
  const signer = new Webhook(`whsec_${Buffer.alloc(32, 1).toString('base64')}`)
  const body = JSON.stringify({
    type: 'group.created',
    timestamp: new Date().toISOString(),
    data: { group_id: crypto.randomUUID(), name: 'Group 500' },
  })
  const arrived = receiver.more(total)
  const start = performance.now()
  let next = 0
  const lane = async () => {
    while (next++ < total) {
      const id = `evt_${crypto.randomUUID()}`
      const now = new Date()
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': `${Math.floor(now.getTime() / 1000)}`,
        'webhook-signature': signer.sign(id, now, body),
      }
      await (await fetch(receiver.url, { method: 'POST', headers, body })).arrayBuffer()
    }
  }
  await Promise.all([...Array.from({ length: atOnce }, lane), arrived])
  return (performance.now() - start) / 1000
}

/** The same upload in a workspace with ten receivers and in one without, in turn. */
async function uploads(
  server: Server,
  receiver: Listener,
  folder: string,
  { ids, receivers, rounds }: typeof full,
): Promise<Row> {
  const file = writeIds(join(folder, 'ids.csv'), randomIds(ids))
  const [subscribed, quiet] = [await open(server, 2), await open(server, 3)]
  for (let i = 0; i < receivers; i++)
    await subscribed.platform.openWebhook(`${receiver.url}/${i}`, 'group.participants.changed')
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let i = 0; i <= rounds; i++) {
    for (const [{ groups }, times] of [
      [subscribed, ours],
      [quiet, theirs],
    ] as const) {
      const { seconds } = await trip(groups, await groups.create(`Round ${i}`), {
        type: 'ADD',
        file,
        every,
      })
      // The first of each warms up.
      if (i > 0) times.push(seconds)
    }
  }
  return {
    figure: `an upload of ${ids} that ${receivers} webhooks receive`,
    measured: median(ours),
    beside: 'none',
    baseline: median(theirs),
    unit: 's',
    by: 'ratio',
    most: 1.05,
  }
}
