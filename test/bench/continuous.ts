import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, registerClient, type Client } from '../local/api.ts'
import { json, send } from '../local/http.ts'
import { batchOf, Platform, type Attributes, type Report } from '../local/platform.ts'
import { startServer } from '../local/server.ts'
import { prepareState } from './households.ts'
import { loadWhile, type Target } from './load.ts'
import { household } from './one-shot.ts'
import { randomUsers } from './population.ts'
import { median, type Row } from './row.ts'

const full = { users: 300_000, changes: 41, rate: 1000, seconds: 60 }

/** Reports of a request, and look-ups at once. */
const batch = 100
const connections = 4

const note = `Users change, one by one and then a thousand a second, of a continuous definition; four connections
read profiles beside them. All of it shares one thread of this machine, as well as wrangler's proxy.`

/** How soon changes show in households, one of them and many, beside look-ups. */
export async function continuous(folder: string, size = full): Promise<Row[]> {
  const stateDir = join(folder, 'state')
  const users = randomUsers(size.users)
  await prepareState(stateDir, users)
  const server = await startServer({ stateDir })
  const client = await registerClient(server.url, server.adminToken, 'bench')
  const token = await getToken(server.url, client)
  const platform = new Platform(server.url, client, token)
  await platform.define(household)
  await platform.makeContinuous(household.id)
  const [run] = await platform.runs(household.id)
  if (run === undefined) throw new Error('no run was opened')
  await platform.finished(household.id, run.id, 200)

  const single: number[] = []
  for (let i = 0; i < size.changes; i++) single.push(await showing(platform, users[i * 50]))

  const target: Target = {
    url: server.url,
    requests: Array.from({ length: 1000 }, (_, i) => ({
      path: `/platform/workspaces/1/users/${users[(i * 37) % users.length]?.user ?? ''}`,
      headers: { Authorization: `Bearer ${token}` },
    })),
  }
  const { load: idle } = await loadWhile(target, connections, () => sleep(10_000))
  const { load, result } = await loadWhile(target, connections, () =>
    stream({ url: server.url, client, platform }, users, size),
  )
  await server.stop()
  const each = { unit: 'ms', note } as const
  return [
    {
      ...each,
      figure: 'a change to its effect in the household, median',
      measured: median(single),
      beside: 'nothing',
      baseline: 0,
      by: 'itself',
      most: 2000,
    },
    {
      figure: `changes a second for ${size.seconds} s`,
      measured: result.perSecond,
      beside: 'sent',
      baseline: size.rate,
      unit: '/s',
      by: 'ratio',
      least: 0.98,
      note,
    },
    {
      figure: 'until the last of them shows',
      measured: result.seconds,
      beside: 'nothing',
      baseline: 0,
      unit: 's',
      by: 'itself',
      most: 10,
      note,
    },
    ...(['median', 'high'] as const).map((which): Row => ({
      ...each,
      figure: `a profile meanwhile, ${which === 'median' ? 'median' : '99th percentile'}`,
      measured: load[which],
      beside: 'idle',
      baseline: idle[which],
      by: 'ratio',
      most: which === 'median' ? 2.5 : 4,
    })),
  ]
}

/** Milliseconds until a user's change shows in what the household shares. */
async function showing(platform: Platform, report: Report | undefined): Promise<number> {
  if (report === undefined) throw new Error('fewer users than there are')
  const { user } = report
  // Nobody else has as much.
  const spend = 1e6 + performance.now()
  const start = performance.now()
  await platform.merge({ user, attributes: { $address: `${spend}`, has_dog: true } })
  for (;;) {
    const { groups, user_attributes } = await platform.profile(user)
    if (groups[0]?.value === `${spend}` && user_attributes['household:has_dog'] === true)
      return performance.now() - start
    await sleep(5)
  }
}

interface Sender {
  url: string
  client: Client
  platform: Platform
}

/** Sends changes at a rate; gives how many a second were taken, and the seconds until the last shows. */
async function stream(
  { url, client, platform }: Sender,
  users: Report[],
  { rate, seconds }: typeof full,
) {
  const credentials = Buffer.from(`${client.id}:${client.secret}`).toString('base64')
  const requests = Math.floor((rate * seconds) / batch)
  const start = performance.now()
  const sent: Promise<unknown>[] = []
  for (let i = 0; i < requests; i++) {
    await sleep(Math.max(0, start + (i * batch * 1000) / rate - performance.now()))
    const reports = Array.from({ length: batch }, (_, j) => ({
      user: users[(i * batch + j) % users.length]?.user ?? '',
      attributes: changeOf(i, j),
    }))
    const { headers, ...post } = json('POST', reports.map(batchOf))
    const init = { ...post, headers: { ...headers, Authorization: `Basic ${credentials}` } }
    sent.push(send('POST /v2/bulkevents', `${url}/v2/bulkevents`, init))
  }
  await Promise.all(sent)
  const end = performance.now()
  const last = (requests * batch - 1) % users.length
  const { $address } = changeOf(requests - 1, batch - 1)
  for (;;) {
    const { groups } = await platform.profile(users[last]?.user ?? '')
    if (groups[0]?.value === $address) break
    await sleep(20)
  }
  return {
    perSecond: (requests * batch * 1000) / (end - start),
    seconds: (performance.now() - end) / 1000,
  }
}

/** One in two moves, and all have or lose a dog; the last one of a request always moves. */
const changeOf = (i: number, j: number): Attributes => ({
  ...(j % 2 === 1 && { $address: `${i} New Street, house ${j}` }),
  has_dog: i % 2 === 0,
})
