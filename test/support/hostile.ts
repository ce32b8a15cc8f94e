import fc from 'fast-check'
import { Bank, call, json } from './api.ts'
import {
  eventDoors,
  groupDoors,
  knock,
  ofrepDoors,
  workspaceDoors,
  type NamedDoor,
} from './doors.ts'
import { Team } from './identity.ts'
import { settled } from './settled.ts'

/** Whose ids stand in a request. */
type Whose = 'ours' | 'theirs'

/** What somebody does who wants to harm another workspace. */
export type Harm =
  | { kind: 'knock'; door: NamedDoor; things: Whose; workspace: Whose }
  | { kind: 'upload'; type: string; file: string; group: Whose; query: string }
  | { kind: 'users-file'; file: string; workspace: Whose }
  | { kind: 'events'; people: string[]; value: string | boolean }
  | { kind: 'rule'; rule: object; save: boolean; workspace: Whose }
  | { kind: 'group'; name: Whose | 'same' }
  | { kind: 'revoke' }
  | { kind: 'work'; path: string }

const whose = fc.constantFrom<Whose>('theirs', 'ours')
/** Doors where somebody may try another's ids. */
export const doors = [
  ...groupDoors.filter(({ template }) => template.startsWith('/groups/v3')),
  ...workspaceDoors,
  ...ofrepDoors,
  ...eventDoors,
]

const people = ['ann', 'bob', 'cid', 'dan', '5', 'zoe']
const many = Array.from({ length: 2000 }, (_, i) => `person-${i}\n`).join('')
const file = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      'ParticipantId\n',
      '"',
      '"ann\nbob',
      'ann,bob\n"c\n\nd",e\n',
      '\0',
      'ann\0\n',
      '<html>',
    ],
    ...[
      'PK\u0003\u0004',
      '\ufeff',
      'ann\r\rbob\r',
      'sep=;\nann;bob\n',
      "'; DROP TABLE members; --\n",
    ],
    ...['ann\n', 'ann\nbob\ncid\ndan\n', 'user_id,street,has_dog\nann,elm,false\nbob,elm,\n', many],
    ...[`${'x'.repeat(100_000)}\n`, `user_id,plan\nann,${'y'.repeat(5000)}\n`, '\n'.repeat(50_000)],
    ...['user_id,street\n"ann","el\nm"\n"bob', `user_id,household:has_dog\nann,true\n`],
  ),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.array(fc.constantFrom(...people), { maxLength: 9 }).map((ids) => ids.join('\n')),
)

const matching = (parts: number) => `*${'?a*'.repeat(parts)}?`
const rule = fc.oneof(
  fc.nat(99).map((others) => ({
    operator: 'or',
    expressions: Array.from({ length: others + 1 }, (_, i) => ({
      operator: 'matches',
      attribute: 'street',
      value: matching((i % 40) + 1),
    })),
  })),
  fc.constantFrom<object>(
    { operator: 'not', expression: { operator: 'exists', attribute: 'nothing' } },
    { operator: 'in_audience', audience: 'coupon' },
    { operator: 'in_group', group: '{groupId}' },
    {
      operator: 'any_member',
      group: 'household',
      expression: { operator: 'contains', attribute: 'street', value: 'theirs' },
    },
  ),
)

export const harm: fc.Arbitrary<Harm> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('knock' as const),
      door: fc.constantFrom(...doors),
      things: whose,
      workspace: whose,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('upload' as const),
      type: fc.constantFrom('ADD', 'REMOVE', 'REPLACE', 'REPLACE', 'DROP'),
      file,
      group: whose,
      query: fc.constantFrom('', '&header=absent', '&fileName=../../uploads/1/x.csv'),
    }),
  },
  fc.record({ kind: fc.constant('users-file' as const), file, workspace: whose }),
  fc.record({
    kind: fc.constant('events' as const),
    people: fc.array(fc.constantFrom(...people), { minLength: 1, maxLength: 100 }),
    value: fc.constantFrom<string | boolean>(
      'elm',
      'elm',
      'elm',
      'theirs-not',
      true,
      'z'.repeat(4096),
    ),
  }),
  fc.record({ kind: fc.constant('rule' as const), rule, save: fc.boolean(), workspace: whose }),
  fc.record({
    kind: fc.constant('group' as const),
    name: fc.constantFrom<Whose | 'same'>('ours', 'theirs', 'same'),
  }),
  fc.constant({ kind: 'revoke' as const }),
  fc.record({
    kind: fc.constant('work' as const),
    path: fc.constantFrom('/groups/household/recompute', '/audiences/coupon/sync'),
  }),
)

/** Somebody with a workspace and all scopes, but none of another workspace. */
export class Hostile {
  readonly team: Team
  readonly bank: Bank
  readonly ids: Record<string, string>
  private constructor(team: Team, bank: Bank, ids: Record<string, string>) {
    this.team = team
    this.bank = bank
    this.ids = ids
  }

  /** With the names that the neighbour has, and enough users for a question to cost something. */
  static async open(): Promise<Hostile> {
    const { team, bank, ids } = await settled()
    const groupId = await bank.group('owls')
    await team.send('PUT', '/groups/household', { source_user_attribute: 'street' })
    const rows = Array.from({ length: 300 }, (_, i) => `person-${i},${'a'.repeat(400)}\n`)
    const body = `user_id,street\n${rows.join('')}`
    await team.call('PUT', '/users', { body, headers: { 'content-type': 'text/csv' } })
    return new Hostile(team, bank, { ...ids, groupId, key: 'owls' })
  }

  /** The answer to a request, in which `theirs` are a neighbour's ids. */
  does(harm: Harm, theirs: Record<string, string>): Promise<Response> {
    const of = (whose: Whose) => (whose === 'theirs' ? { ...this.ids, ...theirs } : this.ids)
    const place = (whose: Whose) => `/platform/workspaces/${of(whose)['workspace_id'] ?? ''}`
    const headers = this.bank.headers()
    const asCsv = { ...headers, 'content-type': 'text/csv' }
    switch (harm.kind) {
      case 'knock': {
        const { workspace_id = '' } = of(harm.workspace)
        const isEvent = harm.door.template.startsWith('/v2/')
        const caller = {
          authorization: `Bearer ${this.team.token}`,
          ...(isEvent && this.team.basic()),
        }
        return knock(harm.door, { ...headers, ...caller }, { ...of(harm.things), workspace_id })
      }
      case 'upload': {
        const path = `/groups/v3/groups/${of(harm.group)['groupId'] ?? ''}/participants`
        const query = `?type=${harm.type}${harm.query}`
        return call(path + query, { method: 'PUT', body: harm.file, headers: asCsv })
      }
      case 'users-file': {
        const authorization = `Bearer ${this.team.token}`
        const init = { method: 'PUT', body: harm.file, headers: { ...asCsv, authorization } }
        return call(`${place(harm.workspace)}/users`, init)
      }
      case 'events': {
        const user_attributes = { street: harm.value, has_dog: harm.value, age: 1e300 }
        const batches = harm.people.map((customer_id) => ({
          environment: 'production',
          user_identities: { customer_id },
          user_attributes,
        }))
        return this.team.post('/v2/bulkevents', batches)
      }
      case 'rule': {
        const text = JSON.stringify(harm.rule).replace('{groupId}', theirs['groupId'] ?? '')
        const draft = { name: 'x', rule: JSON.parse(text) as object }
        const init = json('POST', draft)
        const authorization = `Bearer ${this.team.token}`
        return call(`${place(harm.workspace)}/audiences${harm.save ? '' : '/preview'}`, {
          ...init,
          headers: { ...(init.headers as Record<string, string>), authorization },
        })
      }
      case 'revoke': {
        const { id, secret } = this.team.client
        const token = theirs['token'] ?? ''
        // A wrong secret of their client would be an event of theirs.
        const body = new URLSearchParams({ client_id: id, client_secret: secret, token })
        return call('/oauth/revoke', { method: 'POST', body })
      }
      case 'work':
        return this.team.call('POST', harm.path)
      case 'group': {
        const { groupId = '' } = of(harm.name === 'theirs' ? 'theirs' : 'ours')
        const groupName = harm.name === 'same' ? 'larks' : groupId
        return this.bank.send('POST', '/groups', { groupName })
      }
    }
  }
}
