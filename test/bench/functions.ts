import { randomInt } from 'node:crypto'
import type { SharedAttribute } from '../../src/db/schema.ts'
import { getToken, registerClient } from '../local/api.ts'
import { Platform, type Definition } from '../local/platform.ts'
import { startServer } from '../local/server.ts'
import { prepareState } from './households.ts'
import { household } from './one-shot.ts'
import { randomUsers } from './population.ts'
import { median, type Row } from './row.ts'

const count = 100_000
const rounds = 3

const further: SharedAttribute[] = [
  { id: 'floor', type: 'min' },
  { id: 'since', type: 'max' },
  { id: 'phone', type: 'count' },
  { id: 'plan', type: 'count_distinct' },
  { id: 'consent', type: 'boolean_and' },
  { id: 'city', type: 'earliest' },
  { id: 'genre', type: 'most_frequent' },
  { id: 'likes', type: 'unique_list' },
]

const definition = (id: string, attributes: SharedAttribute[]): Definition => ({
  ...household,
  id,
  attributes,
})

const seeds = ['latest', 'boolean_or', 'sum', 'average'] as const

/** The four functions of one attribute each, of three, and twelve functions of one each. */
const definitions = [
  definition('four', household.attributes),
  definition('four-of-twelve', [
    ...household.attributes,
    ...further.map(({ id }, i) => ({ id, type: seeds[i % seeds.length] ?? 'sum' })),
  ]),
  definition('twelve', [...household.attributes, ...further]),
]

const note = `${new Intl.NumberFormat('en').format(count)} users with twelve attributes. Beside the four
functions of twelve attributes, three each, only the functions differ; beside four attributes, a
recompute also reads and writes three times as many values.`

/** Recomputes with four functions and with twelve. */
export async function functions(folder: string): Promise<Row[]> {
  const users = randomUsers(count).map(({ user, attributes }) => ({
    user,
    attributes: { ...attributes, ...furtherOf() },
  }))
  await prepareState(folder, users)
  const vars = { DEFINITIONS_MAX: '3', SHARED_ATTRIBUTES_MAX: '12' }
  const server = await startServer({ stateDir: folder, vars })
  const client = await registerClient(server.url, server.adminToken, 'bench')
  const platform = new Platform(server.url, client, await getToken(server.url, client))
  for (const one of definitions) await platform.define(one)
  const first = await inTurn(platform)
  const unchanged: number[][] = []
  for (let i = 0; i < rounds; i++) unchanged.push(await inTurn(platform))
  await server.stop()
  const middle = definitions.map((_, i) => median(unchanged.map((times) => times[i] ?? 0)))
  return [...rowsOf('from nothing', first), ...rowsOf('unchanged', middle)]
}

function rowsOf(when: string, [four = 0, fourOfTwelve = 0, twelve = 0]: number[]): Row[] {
  const row = { measured: twelve, unit: 's', by: 'ratio', most: 1.3, note } as const
  const figure = `recompute with 12 functions, ${when}`
  return [
    { ...row, figure, beside: '4 functions of 12 attributes', baseline: fourOfTwelve },
    { ...row, figure, beside: '4 functions of 4 attributes', baseline: four },
  ]
}

/** Seconds of a recompute of each. */
async function inTurn(platform: Platform): Promise<number[]> {
  const times: number[] = []
  for (const { id } of definitions) {
    const start = performance.now()
    const run = await platform.finished(id, (await platform.recompute(id)).id, 50)
    if (run.status !== 'SUCCESSFUL') throw new Error(`A run ended as ${JSON.stringify(run)}`)
    times.push((performance.now() - start) / 1000)
  }
  console.error(
    `four, four of twelve, twelve: ${times.map((time) => time.toFixed(2)).join(', ')} s`,
  )
  return times
}

const furtherOf = () => ({
  floor: randomInt(20),
  since: `20${10 + randomInt(16)}-0${1 + randomInt(9)}-1${randomInt(10)}`,
  phone: `+49 ${randomInt(1_000_000)}`,
  plan: ['free', 'silver', 'gold'][randomInt(3)] ?? '',
  consent: randomInt(3) > 0,
  city: `City ${randomInt(500)}`,
  genre: `genre ${randomInt(30)}`,
  likes: `thing ${randomInt(200)}`,
})
