import { hc } from 'hono/client'
import { describe, expect, it } from 'vitest'
import type { App } from '../../src/api/app.ts'
import readme from '../../src/README.md?raw'
import { Bank, call } from '../support/api.ts'
import example from '../support/typed-client.ts?raw'

describe('the typed client', () => {
  it('is used in src/README as it compiles', () => {
    const body = /groupId: string\) \{\n([\s\S]*?)\n  return/.exec(example)?.[1] ?? ''
    expect(body).toContain('hc<App>')
    expect(readme).toContain(`\n${body.replaceAll(/^  /gm, '')}\n`)
  })

  it('knows paths, parameters and answers', async () => {
    const bank = await Bank.open()
    const groupId = await bank.group('owls')
    await bank.apply(groupId, 'ADD', 'john\n')
    const headers = bank.headers()

    const coterie = hc<App>('https://coterie.test', {
      headers,
      fetch: (input: RequestInfo | URL, init?: RequestInit) =>
        call(new URL(String(input)).pathname, init),
    })
    const path = { groupId, participantId: 'john' }
    const answer = await coterie.groups.v3.groups[':groupId'].participants[':participantId'].$get({
      param: path,
    })
    const { member, revision } = await answer.json()

    const shown: { member: boolean; revision: number } = { member, revision }
    expect(shown).toEqual({ member: true, revision: 1 })
  })
})
