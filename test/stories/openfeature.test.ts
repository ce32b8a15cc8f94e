import { ErrorCode, type Client } from '@openfeature/server-sdk'
import { beforeAll, describe, expect, it } from 'vitest'
import { Bank, newClient, tokenOf } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { application } from '../support/openfeature.ts'

const ann = { targetingKey: 'ann', plan: 'gold', since: new Date(0), nested: { tags: ['x', null] } }

describe('the server SDK of OpenFeature', () => {
  let bank: Bank
  let owls: string
  let sdk: Client
  beforeAll(async () => {
    ;({ bank, group: owls } = await Bank.withGroup('night owls/ü', 'ann\n'))
    sdk = await application(bank.token)
  })

  it('says that a participant is in a group, and in which', async () => {
    expect(await sdk.getBooleanDetails(owls, false, ann)).toMatchObject({
      flagKey: owls,
      value: true,
      reason: 'TARGETING_MATCH',
      variant: 'member',
      flagMetadata: { groupId: owls, groupName: 'night owls/ü', revision: 1 },
    })
    expect(await sdk.getBooleanValue(encodeURIComponent('night owls/ü'), false, ann)).toBe(true)
  })

  it.each([
    'night owls/ü',
    '/before',
    'after/',
    'a//b',
    'really?',
    'why?because',
    '50% off',
    'C++ users',
    'zu\u0308rich',
  ])('finds a group by its name as the application has it: %s', async (name) => {
    if (name !== 'night owls/ü') await bank.apply(await bank.group(name), 'ADD', 'ann\n')
    expect(await sdk.getBooleanDetails(name, false, ann)).toMatchObject({
      value: true,
      flagMetadata: { groupName: name.normalize('NFC') },
    })
  })

  it("says that one is not, whatever the application's default", async () => {
    const details = await sdk.getBooleanDetails(owls, true, { targetingKey: 'bob' })
    expect(details).toMatchObject({ value: false, reason: 'TARGETING_MATCH', variant: 'other' })
    expect(details.errorCode).toBeUndefined()
  })

  it('falls back where there is no such group', async () => {
    const others = await (await Bank.open()).group('theirs')
    for (const key of ['crows', crypto.randomUUID(), others, 'theirs'])
      for (const otherwise of [true, false])
        expect(await sdk.getBooleanDetails(key, otherwise, ann)).toMatchObject({
          value: otherwise,
          errorCode: ErrorCode.FLAG_NOT_FOUND,
        })
  })

  it('falls back where nobody is named', async () => {
    for (const nobody of [undefined, {}, { targetingKey: '' }, { plan: 'gold' }])
      expect(await sdk.getBooleanDetails(owls, true, nobody)).toMatchObject({
        value: true,
        errorCode: ErrorCode.TARGETING_KEY_MISSING,
      })
  })

  it('falls back where a group is queried as anything but a boolean', async () => {
    expect(await sdk.getStringDetails(owls, 'blue', ann)).toMatchObject({
      value: 'blue',
      errorCode: ErrorCode.TYPE_MISMATCH,
    })
  })

  it('falls back where its token is wrong or lacks the scope', async () => {
    const writer = await tokenOf(await newClient(['groups:write'], bank.workspace))
    for (const token of ['x', `${bank.token}x`, writer]) {
      const details = await (await application(token)).getBooleanDetails(owls, false, ann)
      expect(details).toMatchObject({ value: false, reason: 'ERROR', errorCode: ErrorCode.GENERAL })
    }
  })

  it('stops asking when it is refused for asking too often', async () => {
    let requests = 0
    const busy = await application((await Bank.open()).token, (path, init) => {
      requests++
      return callWith({ RATE_LIMITED: true }, path, init)
    })
    const details = async () => (await busy.getBooleanDetails('crows', true, ann)).errorCode
    while (requests < 50 && (await details()) === ErrorCode.FLAG_NOT_FOUND);
    const before = requests
    expect(before).toBeLessThan(50)
    expect(await details()).toBe(ErrorCode.GENERAL)
    expect(requests).toBe(before)
  })
})
