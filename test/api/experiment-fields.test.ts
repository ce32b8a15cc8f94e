import { beforeAll, describe, expect, it } from 'vitest'
import { declined, deepJson, said } from '../support/answers.ts'
import { json, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { halves, Lab } from '../support/experiments.ts'

let lab: Lab
beforeAll(async () => {
  lab = await Lab.open()
})

const draft: Json = { id: 'checkout', name: 'Checkout', variants: halves }
const [one, two] = [
  { id: 'a', weight: 5000 },
  { id: 'b', weight: 5000 },
]
const many = (count: number, of: (i: number) => unknown = String) =>
  Array.from({ length: count }, (_, i) => of(i))
const arms = (...variants: unknown[]) => ({ variants })
const valued = (first: unknown, second: unknown = first) =>
  arms({ ...one, value: first }, { ...two, value: second })
const forcing = (first: unknown, second: unknown = []) =>
  arms({ ...one, forced: first }, { ...two, forced: second })

const idProblem = 'must be 3 to 64 characters of a-z, 0-9, _, . and -'
const keyProblem = 'must be 1 to 64 characters of a-z, A-Z, 0-9, _, . and -'
const shareProblem = 'must be a whole number from 0 to 10000'
const unitProblem = 'must be participant or the id of a group definition'
const typeProblem = (type: string) =>
  `must be of type ${type}, which all values of an experiment have`
const valueProblem = 'must be a string, a number, a boolean or an object'
const numberProblem =
  'cannot have a number beyond what a double takes, or of more than 400 characters'
const unknownGroup = '00000000-0000-4000-8000-000000000000'

const refused: [title: string, more: Json, message: string][] = [
  ['no id', { id: undefined }, 'id is required'],
  ['an id of 2 characters', { id: 'ab' }, `id ${idProblem}`],
  ['an id of 65 characters', { id: 'a'.repeat(65) }, `id ${idProblem}`],
  ['an id in capitals', { id: 'Checkout' }, `id ${idProblem}`],
  ['an id with a blank', { id: ' abc' }, `id ${idProblem}`],
  ['an id with a slash', { id: 'a/bc' }, `id ${idProblem}`],
  ['an id with a line feed at its end', { id: 'abc\n' }, `id ${idProblem}`],
  ['an id of a UUID', { id: unknownGroup }, 'id cannot have the form of a UUID'],
  ['no name', { name: undefined }, 'name is required'],
  ['a blank name', { name: ' ' }, 'name is required'],
  ['a name of 101', { name: 'x'.repeat(101) }, 'name must be 1 to 100 characters'],
  [
    'a long description',
    { description: 'x'.repeat(256) },
    'description cannot exceed 255 characters',
  ],
  ['a group that is no uuid', { group_id: 'owls' }, 'group_id must be a uuid'],
  ['an unknown group', { group_id: unknownGroup }, 'group_id is not the id of an experience group'],
  ['an unknown unit', { unit: 'household' }, `unit ${unitProblem}`],
  ['a unit of a prototype', { unit: '__proto__' }, `unit ${unitProblem}`],
  ['a unit with U+0000', { unit: 'a\0bc' }, `unit ${unitProblem}`],
  ['a unit of null', { unit: null }, 'unit must be of type string'],
  ['no variants', { variants: undefined }, 'variants is required'],
  ['variants that are no list', { variants: {} }, 'variants must be of type array'],
  ['one variant', arms({ id: 'a', weight: 10_000 }), 'variants must be at least 2'],
  [
    '101 variants',
    arms(...many(101, (i) => ({ id: `v${i}`, weight: i === 0 ? 9900 : 1 }))),
    'variants cannot be more than 100',
  ],
  ['a variant without id', arms(one, { weight: 5000 }), 'variants.1.id is required'],
  ['a variant with a blank id', arms(one, { ...two, id: 'a b' }), `variants.1.id ${keyProblem}`],
  ['a variant of 65', arms(one, { ...two, id: 'b'.repeat(65) }), `variants.1.id ${keyProblem}`],
  ['an id of two variants', arms(one, two, one), 'variants.2.id is the id of another variant'],
  ['a variant without weight', arms(one, two, { id: 'c' }), 'variants.2.weight is required'],
  ['half a weight', arms(one, { ...two, weight: 0.5 }), `variants.1.weight ${shareProblem}`],
  ['a weight as text', arms(one, { ...two, weight: '5000' }), `variants.1.weight ${shareProblem}`],
  ['a weight below 0', arms(one, { ...two, weight: -1 }), `variants.1.weight ${shareProblem}`],
  ['a weight of 10001', arms(one, { ...two, weight: 10_001 }), `variants.1.weight ${shareProblem}`],
  [
    'weights below 10000',
    arms(one, { ...two, weight: 4999 }),
    'variants must have weights that sum to 10000',
  ],
  [
    'weights above 10000',
    arms(one, { ...two, weight: 5001 }),
    'variants must have weights that sum to 10000',
  ],
  ['a value of null', valued('x', null), `variants.1.value ${valueProblem}`],
  ['a list as value', valued('x', []), `variants.1.value ${valueProblem}`],
  ['values of two types', valued(1, 'x'), `variants.1.value ${typeProblem('number')}`],
  [
    'a value beside a default',
    arms({ ...one, value: true }, two),
    `variants.1.value ${typeProblem('boolean')}`,
  ],
  ['an object beside a text', valued('x', {}), `variants.1.value ${typeProblem('string')}`],
  [
    'values of more than 16 KiB',
    valued('x'.repeat(8190), 'y'.repeat(8190)),
    'variants cannot have values of more than 16384 bytes together',
  ],
  [
    'a value of too many bytes of UTF-8',
    valued('é'.repeat(8190), ''),
    'variants cannot have values of more than 16384 bytes together',
  ],
  ['a control of no variant', { control: 'other' }, 'control must be the id of a variant'],
  ['a control of a prototype', { control: 'constructor' }, 'control must be the id of a variant'],
  ['a traffic of 10001', { traffic: 10_001 }, `traffic ${shareProblem}`],
  ['a traffic of null', { traffic: null }, `traffic ${shareProblem}`],
  ['a layer without id', { layer: { from: 0, to: 1 } }, 'layer.id is required'],
  ['a layer of 101 %', { layer: { id: 'l', from: 0, to: 10_001 } }, `layer.to ${shareProblem}`],
  ['a layer from below 0', { layer: { id: 'l', from: -1, to: 1 } }, `layer.from ${shareProblem}`],
  [
    'an empty layer',
    { layer: { id: 'l', from: 5, to: 5 } },
    'layer.to must be greater than layer.from',
  ],
  [
    'a layer that ends before',
    { layer: { id: 'l', from: 5, to: 4 } },
    'layer.to must be greater than layer.from',
  ],
  ['a holdout without share', { holdout: { id: 'h' } }, 'holdout.share is required'],
  ['a share below 0', { holdout: { id: 'h', share: -1 } }, `holdout.share ${shareProblem}`],
  ['a share above all', { holdout: { id: 'h', share: 10_001 } }, `holdout.share ${shareProblem}`],
  ['a forced number', forcing([7]), 'variants.0.forced.0 must be of type string'],
  [
    'a blank forced id',
    forcing(['ann', ' ']),
    'variants.0.forced.1 is no id that a participant can have',
  ],
  [
    'an invisible forced id',
    forcing(['\u200b']),
    'variants.0.forced.0 is no id that a participant can have',
  ],
  [
    'a forced id of 33',
    forcing([], ['x'.repeat(33)]),
    'variants.1.forced.0 is no id that a participant can have',
  ],
  [
    'a forced id of a dot',
    forcing(['.']),
    'variants.0.forced.0 is no id that a participant can have',
  ],
  [
    'a forced id with U+0000',
    forcing(['a\0b']),
    'variants.0.forced.0 is no id that a participant can have',
  ],
  [
    'an id forced twice',
    forcing(['ann', 'bob', 'ann ']),
    'variants.0.forced.2 is forced into the variant a already',
  ],
  [
    'an id forced into two, however spelled',
    forcing(['Zoé'], ['bob', 'Zoé'.normalize('NFD')]),
    'variants.1.forced.1 is forced into the variant a already',
  ],
  ['1001 forced ids', forcing(many(1001)), 'variants.0.forced cannot be more than 1000 ids'],
]

describe('POST /experiments', () => {
  it.each(refused)('refuses %s', async (_, more, message) => {
    expect(await said(lab.send('POST', '', { ...draft, ...more }))).toEqual(declined(422, message))
    expect(await lab.team.get('/experiments')).toEqual([])
  })

  it.each<[string, string, string]>([
    ['a number beyond a double', '1e999', `variants.0.value ${numberProblem}`],
    ['such a number within', '{"a":{"b":[1e999]}}', `variants.0.value ${numberProblem}`],
    ['a number of 401 digits', '9'.repeat(401), `variants.0.value ${numberProblem}`],
    [
      '101 levels',
      '{"a":'.repeat(101) + '1' + '}'.repeat(101),
      'variants.0.value cannot be more than 100 levels deep',
    ],
    [
      '10,000 levels',
      `{"a":${deepJson()}}`,
      'variants.0.value cannot be more than 100 levels deep',
    ],
    ['a list of 10,000 levels', deepJson(), `variants.0.value ${valueProblem}`],
  ])('refuses a value of %s', async (_, value, message) => {
    const other = value.startsWith('{') ? '{}' : '1'
    const body = `{"id":"deep","name":"x","variants":[{"id":"a","weight":5000,"value":${value}},
      {"id":"b","weight":5000,"value":${other}}]}`
    const headers = { 'content-type': 'application/json' }
    const answer = lab.team.call('POST', '/experiments', { body, headers })
    expect(await said(answer)).toEqual(declined(422, message))
  })

  it.each(['id', 'name', 'description', 'group_id', 'unit', 'variants', 'control', 'traffic'])(
    'refuses %s of 10,000 levels',
    async (field) => {
      for (const deep of [deepJson(), `[{"id":${deepJson()}},1]`]) {
        const body = JSON.stringify({ ...draft, [field]: 0 }).replace(
          new RegExp(`"${field}":0`),
          `"${field}":${deep}`,
        )
        const { status, errors } = await said(lab.team.call('POST', '/experiments', { body }))
        expect([status, JSON.stringify(errors)]).toEqual([422, expect.stringContaining(field)])
      }
    },
  )

  it('takes values of each type as they are, whole numbers with all digits', async () => {
    const deep = '{"a":'.repeat(100) + '1' + '}'.repeat(100)
    const taken = ['"é\\u0000"', '"\\ud800"', '""', '12345678901234567890', '-0.5', 'false', deep]
    for (const [i, value] of taken.entries()) {
      const variants = `[{"id":"a","weight":0,"value":${value}},{"id":"b","weight":10000,"value":${value}}]`
      const headers = { 'content-type': 'application/json' }
      const body = `{"id":"value-${i}","name":"x","variants":${variants}}`
      const answer = await lab.team.call('POST', '/experiments', { body, headers })
      const text = await answer.text()
      expect([answer.status, text]).toEqual([200, expect.stringContaining(`"value":${value}`)])
      const shown = await lab.send('GET', `/value-${i}`)
      expect(await shown.text()).toBe(text)
    }
    const object = '{"id":1,"__proto__":{"x":1},"constructor":2}'
    const variants = `[{"id":"a","weight":1,"value":${object}},{"id":"b","weight":9999,"value":{}}]`
    const body = `{"id":"object","name":"x","variants":${variants}}`
    const answer = await lab.team.call('POST', '/experiments', { body, headers: {} })
    expect(await answer.text()).toContain(`"value":${object}`)
  })

  it.each(['__proto__', 'constructor', 'hasownproperty', 'tostring', '...', 'assignments'])(
    'takes %s as the id of an experiment, a variant, a layer and a holdout',
    async (id) => {
      const lab = await Lab.open()
      const variants = [
        { id, weight: 1, value: id, forced: [id] },
        { id: 'b', weight: 9999, value: 'b', forced: [] },
      ]
      const more = { layer: { id, from: 0, to: 1 }, holdout: { id, share: 1 } }
      const made = await lab.draft(id, { variants, control: id, ...more })
      expect(made).toMatchObject({ id, variants, control: id, ...more })
      expect(await lab.start(id)).toMatchObject({ id, status: 'running' })
      expect(await lab.get(id)).toMatchObject({ id, variants, ...more })
    },
  )

  it('takes 100 variants, and a thousand forced ids of one', async () => {
    const variants = many(100, (i) => ({
      id: `arm-${i}`,
      weight: 100,
      value: i,
      forced: [] as string[],
    })) as Json[]
    variants[7] = {
      ...variants[7],
      forced: many(1000, (i) => `person-${String(i).padStart(4, '0')}`),
    }
    const made = await lab.draft('hundred', { variants })
    expect(made['variants']).toEqual(variants)
    expect(await lab.get('hundred')).toEqual(made)
  })

  it('takes an id that a longer limit lets in', async () => {
    const body = { ...draft, id: 'longer', ...forcing(['x'.repeat(33)]) }
    const init = json('POST', body)
    const authorization = `Bearer ${lab.team.token}`
    const headers = { ...(init.headers as Record<string, string>), authorization }
    const place = `/platform/workspaces/${lab.team.workspace}/experiments`
    const answer = await callWith({ PARTICIPANT_MAX: 33 }, place, { ...init, headers })
    expect(answer.status).toBe(200)
  })

  it('refuses an id that is taken, and a limit that is reached, even at once', async () => {
    const lab = await Lab.open()
    const create = (id: string) => {
      const init = json('POST', { ...draft, id })
      const authorization = `Bearer ${lab.team.token}`
      const headers = { ...(init.headers as Record<string, string>), authorization }
      const place = `/platform/workspaces/${lab.team.workspace}/experiments`
      return said(callWith({ EXPERIMENTS_MAX: 3 }, place, { ...init, headers }))
    }
    const taken = declined(422, 'An experiment with id one already exists')
    const both = await Promise.all([create('one'), create('one')])
    expect(both.map(({ status }) => status).sort()).toEqual([422, 'draft'])
    expect(both).toContainEqual(taken)
    await create('two')
    const full = declined(422, 'The number of experiments in a workspace is limited to 3')
    const last = await Promise.all([create('three'), create('four'), create('five')])
    expect(last.filter(({ status }) => status === 'draft')).toHaveLength(1)
    expect(last.filter(({ status }) => status === 422)).toEqual([full, full])
    expect(await create('one')).toEqual(taken)
    expect(await lab.team.get('/usage')).toMatchObject({ experiments: { used: 3, cap: 100 } })
    expect((await lab.send('DELETE', '/one')).status).toBe(204)
    expect(await create('six')).toMatchObject({ status: 'draft' })
  })
})

describe('PUT /experiments/{id}', () => {
  const ofOthers = /^(id|name is)|variants is required|which all values/
  const same = refused.filter(([, , message]) => !ofOthers.test(message))

  it.each(same)('refuses %s', async (_, more, message) => {
    const own = await Lab.open()
    const before = await own.draft('put')
    expect(await said(own.send('PUT', '/put', more))).toEqual(declined(422, message))
    expect(await own.get('put')).toEqual(before)
  })

  it('refuses values of another type, also of a draft', async () => {
    const own = await Lab.open()
    const before = await own.draft('put', valued(1, 2))
    for (const [value, i] of [
      ['x', 0],
      [true, 0],
      [{}, 0],
    ] as const)
      expect(await said(own.send('PUT', '/put', valued(value)))).toEqual(
        declined(422, `variants.${i}.value ${typeProblem('number')}`),
      )
    expect(await said(own.send('PUT', '/put', arms(one, { id: 'c', weight: 5000 })))).toEqual(
      declined(422, `variants.1.value ${typeProblem('number')}`),
    )
    expect(await own.get('put')).toEqual(before)
  })
})
