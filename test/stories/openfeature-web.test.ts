import { ErrorCode, OpenFeature, type Client } from '@openfeature/web-sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bank } from '../support/api.ts'
import { page } from '../support/openfeature.ts'

const name = 'night owls/ü'

describe('the web SDK of OpenFeature', () => {
  let bank: Bank
  let owls: string
  let sdk: Client
  beforeAll(async () => {
    ;({ bank, group: owls } = await Bank.withGroup(name, 'ann\n'))
    sdk = await page(bank.token)
  })
  afterAll(() => OpenFeature.close())

  const nobody = { value: false, reason: 'ERROR', errorCode: ErrorCode.TARGETING_KEY_MISSING }

  it('knows nobody before somebody logs in', () => {
    for (const key of [name, owls]) expect(sdk.getBooleanDetails(key, false)).toMatchObject(nobody)
  })

  it('evaluates by name and id, and keeps nothing of who logs out', async () => {
    await OpenFeature.setContext({ targetingKey: 'ann' })
    for (const key of [name, owls])
      expect(sdk.getBooleanDetails(key, false)).toMatchObject({
        flagKey: key,
        value: true,
        reason: 'TARGETING_MATCH',
        flagMetadata: { groupId: owls, groupName: name },
      })

    await OpenFeature.setContext({})
    for (const key of [name, owls]) expect(sdk.getBooleanDetails(key, false)).toMatchObject(nobody)

    await OpenFeature.setContext({ targetingKey: 'bob' })
    for (const key of [name, owls])
      expect(sdk.getBooleanDetails(key, true)).toMatchObject({ value: false, variant: 'other' })
  })

  it('falls back where there is no such group', () => {
    expect(sdk.getBooleanDetails('crows', true)).toMatchObject({
      value: true,
      errorCode: ErrorCode.FLAG_NOT_FOUND,
    })
  })
})
