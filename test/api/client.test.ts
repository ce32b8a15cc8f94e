import { hc } from 'hono/client'
import { describe, expect, it } from 'vitest'
import type { App } from '../../src/api/app.ts'
import { Bank, call } from '../support/api.ts'

describe('the typed client', () => {
  it('knows paths, parameters and answers', async () => {
    const bank = await Bank.open()
    const groupId = await bank.group('owls')
    await bank.apply(groupId, 'ADD', 'john\n')
    const headers = bank.headers()

    const coterie = hc<App>('https://coterie.test', {
      headers,
      fetch: (input: RequestInfo | URL, init?: RequestInit) => call(new URL(String(input)).pathname, init),
    })
    const path = { groupId, participantId: 'john' }
    const answer = await coterie.groups.v3.groups[':groupId'].participants[':participantId'].$get({ param: path })
    const { member, revision } = await answer.json()

    const told: { member: boolean; revision: number } = { member, revision }
    expect(told).toEqual({ member: true, revision: 1 })
  })
})
