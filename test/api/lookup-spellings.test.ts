import { beforeAll, describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { Bank, call, json, type Json } from '../support/api.ts'

let bank: Bank
let group: string

beforeAll(async () => {
  ;({ bank, group } = await Bank.withGroup('owls', 'ann\nandré\na b\n\ufffd\nann\ufffd\n'))
})

/** Every look-up of one participant: whether it is in the group, and its id in the answer. */
const ways: [string, (id: string) => Promise<{ member: unknown; as: unknown }>][] = [
  [
    'groups of a participant',
    async (id) => {
      const shown = await bank.get(`/participants/${encodeURIComponent(id)}/groups`)
      return { member: (shown['groups'] as Json[]).length === 1, as: shown['participantId'] }
    },
  ],
  [
    'one in a group',
    async (id) => {
      const path = `/groups/${group}/participants/${encodeURIComponent(id)}`
      const { member, participantId } = await bank.get(path)
      return { member, as: participantId }
    },
  ],
  [
    'many at once',
    async (id) => {
      const body = { participantIds: [id, 'nobody'], groupIds: [group] }
      const shown = await said(bank.send('POST', '/memberships', body))
      const [one] = shown['memberships'] as { participantId: string; groupIds: string[] }[]
      return { member: one?.groupIds.length === 1, as: one?.participantId }
    },
  ],
  ['a flag', async (id) => ({ member: (await evaluate('/owls', id))['value'], as: id })],
  [
    'all flags',
    async (id) => {
      const { flags, metadata } = await evaluate('', id)
      return { member: (flags as Json[])[0]?.['value'], as: (metadata as Json)['targetingKey'] }
    },
  ],
]

const evaluate = (path: string, targetingKey: string): Promise<Json> =>
  said(
    call(`/ofrep/v1/evaluate/flags${path}`, {
      ...json('POST', { context: { targetingKey } }),
      headers: { authorization: `Bearer ${bank.token}`, 'content-type': 'application/json' },
    }),
  )

describe.each(ways)('%s', (_, request) => {
  it.each([
    ' ann',
    'ann\t',
    '\u00a0ann\u3000',
    '\u200bann',
    'ann\u2060\u200e',
    '\ufeffann',
    '\u00adann\u00ad',
    'andre\u0301',
    '\u200bandre\u0301 ',
    ' a b\u200d',
  ])('reads an id like a file does, repeating it as sent: %j', async (id) => {
    expect(await request(id)).toEqual({ member: true, as: id })
  })

  it.each(['ANN', 'an\u200bn', 'andre', 'ab', 'a\u00a0b', '\ud800', 'ann\ud800', 'ann\u0000'])(
    'takes nobody for another: %j',
    async (id) => {
      // A path carries whole characters alone.
      if (!id.isWellFormed() && /^(groups of|one in)/.test(_)) return
      expect((await request(id)).member).toBe(false)
    },
  )
})
