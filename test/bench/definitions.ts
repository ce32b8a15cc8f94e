import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, registerClient } from '../local/api.ts'
import { Platform, type Definition, type Report } from '../local/platform.ts'
import { startServer } from '../local/server.ts'
import { prepareState } from './households.ts'
import { randomUsers } from './population.ts'
import { median, type Row } from './row.ts'
import { inTurn, request } from './turns.ts'

const full = { users: 300_000, definitions: 20, reads: 500 }

const note = `Each definition has a user attribute of its own, by which users are grouped differently, and shares
one. A run alone is that of one definition while nothing else is at work.`

const definition = (i: number): Definition => ({
  id: `circle-${i}`,
  description: 'users of one circle',
  source_user_attribute: `circle_${i}`,
  attributes: [{ id: 'has_dog', type: 'boolean_or' }],
})

/** The runs of many definitions of one workspace, all requested at once; profiles show all of them. */
export async function definitions(folder: string, size = full): Promise<Row[]> {
  const all = Array.from({ length: size.definitions }, (_, i) => definition(i))
  const users = randomUsers(size.users).map((report, at) => inCircles(report, at, size))
  await prepareState(folder, users)
  const server = await startServer({
    stateDir: folder,
    vars: { DEFINITIONS_MAX: `${size.definitions}` },
  })
  const client = await registerClient(server.url, server.adminToken, 'bench')
  const token = await getToken(server.url, client)
  const platform = new Platform(server.url, client, token)
  for (const one of all) await platform.define(one)
  const [first] = all
  if (first === undefined) throw new Error('there are no definitions')

  await run(platform, first.id)
  const alone = await run(platform, first.id)
  const read = profilesOf(server.url, token, users)
  const withOne = await read(size.reads)
  const start = performance.now()
  const ended = await Promise.all(all.map(({ id }) => run(platform, id)))
  const together = (performance.now() - start) / 1000
  const withAll = await read(size.reads)
  const again = performance.now()
  const unchanged = await Promise.all(all.map(({ id }) => run(platform, id)))
  const unchangedTogether = (performance.now() - again) / 1000
  await server.stop()
  for (const { changed } of unchanged)
    if (changed !== 0) throw new Error(`a run without changes changed ${changed} rows`)
  const rest = { unit: 's', by: 'ratio', note } as const
  return [
    {
      ...rest,
      figure: `${size.definitions} definitions from nothing, each`,
      measured: together / size.definitions,
      beside: 'a run alone, unchanged',
      baseline: alone.seconds,
    },
    {
      ...rest,
      figure: `${size.definitions} definitions unchanged, each`,
      measured: unchangedTogether / size.definitions,
      beside: 'a run alone, unchanged',
      baseline: alone.seconds,
      most: 1.3,
    },
    {
      ...rest,
      figure: 'the first of them to end',
      measured: Math.min(...ended.map(({ seconds }) => seconds)),
      beside: 'the last',
      baseline: Math.max(...ended.map(({ seconds }) => seconds)),
    },
    {
      figure: `a profile with ${size.definitions} groups, median`,
      measured: median(withAll),
      beside: 'with one group',
      baseline: median(withOne),
      unit: 'ms',
      by: 'ratio',
      most: 1.5,
      note,
    },
  ]
}

/** Circles of two to about forty users, which differ from definition to definition. */
const inCircles = (
  { user, attributes }: Report,
  at: number,
  { users, definitions }: typeof full,
) => ({
  user,
  attributes: {
    has_dog: attributes['has_dog'] ?? false,
    ...Object.fromEntries(
      Array.from({ length: definitions }, (_, i) => [
        `circle_${i}`,
        `circle ${(at * (2 * i + 7)) % Math.ceil(users / (i + 2))}`,
      ]),
    ),
  },
})

/** A run, which may wait long for its turn. */
async function run(platform: Platform, id: string): Promise<{ seconds: number; changed: number }> {
  const start = performance.now()
  const { id: wanted } = await platform.recompute(id)
  for (;;) {
    const found = (await platform.runs(id)).find((one) => one.id === wanted)
    if (found?.status === 'SUCCESSFUL')
      return { seconds: (performance.now() - start) / 1000, changed: found.rows_changed }
    if (found?.status === 'FAILED' || found?.status === 'CANCELLED')
      throw new Error(`A run ended as ${JSON.stringify(found)}`)
    await sleep(500)
  }
}

/** Reads profiles over one connection; gives the milliseconds of each. */
const profilesOf = (url: string, token: string, users: Report[]) => async (count: number) => {
  const headers = { Authorization: `Bearer ${token}` }
  const [times = []] = await inTurn(count, [
    (i: number) =>
      request(`${url}/platform/workspaces/1/users/${users[i * 37]?.user ?? ''}`, headers, 200),
  ])
  return times
}
