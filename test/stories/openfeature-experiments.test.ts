import { ErrorCode, type Client } from '@openfeature/server-sdk'
import { OpenFeature, type Client as Page } from '@openfeature/web-sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newClient, tokenOf, type Json } from '../support/api.ts'
import { Lab } from '../support/experiments.ts'
import { application, page } from '../support/openfeature.ts'
import { shard } from '../support/shards.ts'

let lab: Lab
let owls: string
let token: string
beforeAll(async () => {
  lab = await Lab.open()
  owls = await lab.group(['ann', 'bob'], 'owls')
  token = await tokenOf(await newClient(['flags:evaluate'], lab.team.workspace))
  const arms = (a: unknown, b: unknown, more: Json = {}) => ({
    group_id: owls,
    variants: [
      { id: 'a', weight: 5000, value: a },
      { id: 'b', weight: 5000, value: b, forced: ['vip'] },
    ],
    ...more,
  })
  await lab.running('a-string', arms('grün', '李'))
  await lab.running('a-number', arms(1.25, -7))
  await lab.running('a-boolean', arms(false, true))
  await lab.running('an-object', arms({ colour: 'green', list: [1] }, { colour: null }))
  await lab.running('no-traffic', arms('in', 'out', { traffic: 0, control: 'b' }))
  await lab.running('paused', arms('in', 'out'))
  await lab.pause('paused')
  await lab.running('ended', arms('in', 'out'))
  await lab.end('ended')
  await lab.draft('draft', arms('in', 'out'))
})

/** What somebody is told, of two values of two equal variants. */
const drawn = (experiment: string, person: string, values: readonly [unknown, unknown]) => {
  const isFirst = shard(`split-${experiment}-v1`, person) < 5000
  return { value: values[isFirst ? 0 : 1], variant: isFirst ? 'a' : 'b', reason: 'SPLIT' }
}

/** What both SDKs ask, once somebody is logged in. */
interface Sdk {
  string: (key: string, otherwise: string) => unknown
  number: (key: string, otherwise: number) => unknown
  boolean: (key: string, otherwise: boolean) => unknown
  object: (key: string, otherwise: object) => unknown
}

const ofApplication = (client: Client, targetingKey: string): Sdk => ({
  string: (key, otherwise) => client.getStringDetails(key, otherwise, { targetingKey }),
  number: (key, otherwise) => client.getNumberDetails(key, otherwise, { targetingKey }),
  boolean: (key, otherwise) => client.getBooleanDetails(key, otherwise, { targetingKey }),
  object: (key, otherwise) => client.getObjectDetails(key, { ...otherwise }, { targetingKey }),
})

const ofPage = (client: Page): Sdk => ({
  string: (key, otherwise) => client.getStringDetails(key, otherwise),
  number: (key, otherwise) => client.getNumberDetails(key, otherwise),
  boolean: (key, otherwise) => client.getBooleanDetails(key, otherwise),
  object: (key, otherwise) => client.getObjectDetails(key, { ...otherwise }),
})

let client: Client
let site: Page
beforeAll(async () => {
  client = await application(token)
  site = await page(token)
})
afterAll(() => OpenFeature.close())

const sdks: [name: string, logIn: (person: string) => Promise<Sdk>][] = [
  ['the server SDK of OpenFeature', async (person) => ofApplication(client, person)],
  [
    'the web SDK of OpenFeature',
    async (targetingKey) => {
      await OpenFeature.setContext({ targetingKey })
      return ofPage(site)
    },
  ],
]

describe.each(sdks)('%s, of an experiment', (_, logIn) => {
  it.each(['ann', 'bob'])('tells the value of the variant, of each type: %s', async (person) => {
    const sdk = await logIn(person)
    const values = ['grün', '李'] as const
    expect(await sdk.string('a-string', '')).toMatchObject({
      ...{ flagKey: 'a-string', ...drawn('a-string', person, values) },
      flagMetadata: { version: 1, contextId: person, flagSetId: owls },
    })
    expect(await sdk.number('a-number', 0)).toMatchObject(drawn('a-number', person, [1.25, -7]))
    expect(await sdk.boolean('a-boolean', false)).toMatchObject(
      drawn('a-boolean', person, [false, true]),
    )
    const objects = [{ colour: 'green', list: [1] }, { colour: null }] as const
    expect(await sdk.object('an-object', {})).toMatchObject(drawn('an-object', person, objects))
  })

  it('tells the value of the control outside of the group and of the traffic', async () => {
    const stranger = await logIn('stranger')
    const control = { value: 'grün', reason: 'STATIC', variant: undefined }
    expect(await stranger.string('a-string', 'fallback')).toMatchObject(control)
    const ann = await logIn('ann')
    expect(await ann.string('no-traffic', 'fallback')).toMatchObject({ ...control, value: 'out' })
  })

  it('tells the value of the control where it is not running', async () => {
    const ann = await logIn('ann')
    for (const key of ['paused', 'ended', 'draft'])
      expect(await ann.string(key, 'fallback')).toMatchObject({
        ...{ value: 'in', reason: 'DISABLED', variant: undefined },
      })
  })

  it('tells a forced value, whether or not somebody is in the group', async () => {
    const vip = await logIn('vip')
    const forced = { variant: 'b', reason: 'TARGETING_MATCH' }
    expect(await vip.string('a-string', '')).toMatchObject({ ...forced, value: '李' })
    expect(await vip.object('an-object', {})).toMatchObject({ ...forced, value: { colour: null } })
    expect(await vip.string('no-traffic', '')).toMatchObject({ ...forced, value: 'out' })
  })

  it('falls back where there is no such flag', async () => {
    const ann = await logIn('ann')
    for (const key of ['unknown', 'A-STRING'])
      expect(await ann.string(key, 'fallback')).toMatchObject({
        ...{ value: 'fallback', errorCode: ErrorCode.FLAG_NOT_FOUND },
      })
  })

  it('falls back where the value is of another type', async () => {
    const ann = await logIn('ann')
    const mismatch = { errorCode: ErrorCode.TYPE_MISMATCH }
    expect(await ann.number('a-string', 5)).toMatchObject({ ...mismatch, value: 5 })
    expect(await ann.string('a-number', 'x')).toMatchObject({ ...mismatch, value: 'x' })
    expect(await ann.boolean('an-object', true)).toMatchObject({ ...mismatch, value: true })
    expect(await ann.string('a-boolean', 'x')).toMatchObject({ ...mismatch, value: 'x' })
  })
})

describe('both SDKs', () => {
  it('tell the same, from a look-up of one flag and of all', async () => {
    const keys = ['a-string', 'no-traffic', 'paused', 'ended', 'draft']
    for (const person of ['ann', 'bob', 'vip', 'stranger', '__proto__', 'josé']) {
      const told = await Promise.all(
        sdks.map(async ([, logIn]) => {
          const sdk = await logIn(person)
          const details: unknown[] = []
          for (const key of keys) details.push(await sdk.string(key, 'fallback'))
          return details
        }),
      )
      expect(told[0]).toEqual(told[1])
    }
  })
})
