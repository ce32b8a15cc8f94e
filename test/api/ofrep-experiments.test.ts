import { beforeAll, describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { call, newClient, tokenOf, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { halves, Lab } from '../support/experiments.ts'
import { household } from '../support/identity.ts'
import { halfOf, someone } from '../support/shards.ts'

const flags = '/ofrep/v1/evaluate/flags'

let lab: Lab
let owls: string
let token: string
beforeAll(async () => {
  lab = await Lab.open()
  owls = await lab.group(['ann', 'bob'], 'night owls')
  token = await tokenOf(await newClient(['flags:evaluate'], lab.team.workspace))
  await lab.running('checkout', { group_id: owls })
})

const about = (targetingKey: string | undefined): RequestInit => ({
  method: 'POST',
  body: JSON.stringify({ context: { targetingKey } }),
})

const bearing = (token: string, more: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more },
})

const flag = (key: string, person: string | undefined, as = token) =>
  said(call(`${flags}/${key}`, { ...about(person), ...bearing(as) }))

const all = async (person: string | undefined, as = token) => {
  const answer = await said(call(flags, { ...about(person), ...bearing(as) }))
  return answer['flags'] as Json[]
}

describe('POST /ofrep/v1/evaluate/flags/{key} of an experiment', () => {
  it('has the value of the variant that is drawn, and why', async () => {
    const variant = halfOf('checkout', 'ann')
    expect(await flag('checkout', ' ann ')).toEqual({
      ...{ status: 200, key: 'checkout', value: variant, variant, reason: 'SPLIT' },
      metadata: { version: 1, contextId: 'ann', flagSetId: owls },
    })
  })

  it('has the value of the control and no variant for those outside', async () => {
    const metadata = { version: 1, contextId: 'stranger', flagSetId: owls }
    const outside = { status: 200, key: 'checkout', value: 'control', reason: 'STATIC', metadata }
    expect(await flag('checkout', 'stranger')).toEqual(outside)
    await lab.running('nobody-yet', { traffic: 0 })
    expect(await flag('nobody-yet', 'ann')).toEqual({
      ...{ status: 200, key: 'nobody-yet', value: 'control', reason: 'STATIC' },
      metadata: { version: 1, contextId: 'ann' },
    })
    for (const person of ['.', '\u0007'])
      expect(await flag('nobody-yet', person)).toMatchObject({ metadata: { version: 1 } })
  })

  it('is disabled while it is not running, and has the value of the control', async () => {
    await lab.draft('stopping', { control: 'treatment' })
    const disabled = {
      ...{ status: 200, key: 'stopping', value: 'treatment', reason: 'DISABLED' },
      metadata: { version: 1, contextId: 'ann' },
    }
    expect(await flag('stopping', 'ann')).toEqual(disabled)
    await lab.start('stopping')
    expect(await flag('stopping', 'ann')).toMatchObject({ reason: 'SPLIT' })
    for (const stop of ['pause', 'end'] as const) {
      await lab[stop]('stopping')
      expect(await flag('stopping', 'ann')).toEqual(disabled)
    }
  })

  it('has a forced variant by targeting, in the group or not', async () => {
    const [control, treatment] = halves
    const variants = [control, { ...treatment, value: 'b', forced: ['stranger'] }]
    await lab.running('forcing', { group_id: owls, traffic: 0, variants })
    expect(await flag('forcing', 'stranger')).toMatchObject({
      ...{ value: 'b', variant: 'treatment', reason: 'TARGETING_MATCH' },
    })
  })

  it('is drawn by its newest version', async () => {
    await lab.running('renewed')
    const person = someone((one) => halfOf('renewed', one) !== halfOf('renewed', one, 2))
    expect(await flag('renewed', person)).toMatchObject({ value: halfOf('renewed', person) })
    await lab.change('renewed', { variants: [...halves].reverse(), new_version: true })
    expect(await flag('renewed', person)).toMatchObject({ metadata: { version: 2 } })
    const { reason, value } = await flag('renewed', person)
    const other = halfOf('renewed', person, 2) === 'control' ? 'treatment' : 'control'
    expect([reason, value]).toEqual(['SPLIT', other])
  })

  it('keeps the key as it was requested', async () => {
    for (const [written, key] of [
      ['check%6fut', 'checkout'],
      ['checkout?x=1', 'checkout'],
      ['%20checkout', ' checkout'],
    ] as const)
      expect(await flag(written, 'ann')).toMatchObject({ key, reason: 'SPLIT' })
    for (const written of ['Checkout', 'check', 'checkouts', 'checkout%00', 'checkout/'])
      expect(await flag(written, 'ann')).toMatchObject({ errorCode: 'FLAG_NOT_FOUND' })
  })

  it('guesses nobody', async () => {
    for (const nobody of [undefined, '', ' \u200b'])
      expect(await flag('checkout', nobody)).toMatchObject({
        ...{ status: 400, key: 'checkout', errorCode: 'TARGETING_KEY_MISSING' },
      })
  })

  it("finds none that is deleted or another workspace's, and says so of a flag", async () => {
    const other = await Lab.open()
    await other.running('theirs')
    await lab.draft('gone')
    await lab.send('DELETE', '/gone')
    for (const key of ['theirs', 'gone', 'unknown'])
      expect(await flag(key, 'ann')).toEqual({
        ...{ status: 404, key, errorCode: 'FLAG_NOT_FOUND' },
        errorDetails: `There is no flag ${key}`,
      })
  })

  it('tells what a household shares only to those who may read users', async () => {
    const town = await Lab.open()
    const { workspace } = town.team
    await town.team.define(household)
    await town.team.user('ann', { $address: '9 Oak St' })
    await town.team.recompute()
    await town.running('homes', { unit: 'household' })
    const may = await tokenOf(await newClient(['flags:evaluate', 'users:read'], workspace))
    const mayNot = await tokenOf(await newClient(['flags:evaluate'], workspace))
    const caching = { LOOKUP_CACHE_SECONDS: 60 }
    // From the cache too, whoever came first.
    for (const as of [may, mayNot, may, mayNot])
      for (const path of [`${flags}/homes`, flags]) {
        const init = { ...about('ann'), ...bearing(as) }
        for (const vars of [{}, caching]) {
          const text = await (await callWith(vars, path, init)).text()
          expect(text).toContain('"reason":"SPLIT"')
          expect(text.includes('9 Oak St')).toBe(as === may)
        }
      }
    expect(await flag('homes', 'stranger', may)).toMatchObject({ reason: 'STATIC' })
  })
})

describe('POST /ofrep/v1/evaluate/flags with experiments', () => {
  it('has each experiment as it is alone, after the groups', async () => {
    const shown = await all('ann')
    const [first, second, ...experiments] = shown
    expect([first, second]).toMatchObject([
      { key: owls, value: true },
      { key: 'night owls', value: true },
    ])
    const keys = experiments.map(({ key }) => String(key))
    expect(keys).toEqual([...keys].sort())
    expect(keys).toEqual(expect.arrayContaining(['checkout', 'forcing', 'stopping']))
    for (const { key, ...one } of experiments)
      expect(await flag(String(key), 'ann')).toEqual({ status: 200, key, ...one })
  })

  it('has an error for each where nobody is named', async () => {
    const known = (await all('ann')).map(({ key }) => key)
    const shown = await all(undefined)
    expect(shown.map(({ key }) => key)).toEqual(known)
    for (const one of shown) expect(one).toMatchObject({ errorCode: 'TARGETING_KEY_MISSING' })
  })

  it('has an ETag that holds until an experiment changes', async () => {
    await lab.running('tagged')
    const ask = (tag: string) =>
      call(flags, { ...about('ann'), ...bearing(token, { 'if-none-match': tag }) })
    const tag = (await ask('')).headers.get('etag') ?? ''
    expect((await ask(tag)).status).toBe(304)
    await lab.change('tagged', { traffic: 0 })
    const next = await ask(tag)
    expect(next.status).toBe(200)
    expect((await ask(next.headers.get('etag') ?? '')).status).toBe(304)
  })
})
