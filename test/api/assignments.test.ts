import { beforeAll, describe, expect, it, vi } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { Bank, call, json, newClient, tokenOf, type Json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { halves, Lab } from '../support/experiments.ts'
import { household, Team } from '../support/identity.ts'
import { halfOf, shard, someone } from '../support/shards.ts'

const notFound = declined(404, 'Not found')

let lab: Lab
let owls: string
beforeAll(async () => {
  lab = await Lab.open()
  owls = await lab.group(['ann', 'bob', 'josé'])
})

const path = (experiment: string, participant: string) =>
  `/${encodeURIComponent(experiment)}/assignments/${encodeURIComponent(participant)}`

const assigned = (experiment: string, participant: string, of = lab) =>
  said(of.send('GET', path(experiment, participant)))

const explained = (experiment: string, participant: string, of = lab) =>
  said(of.send('GET', `${path(experiment, participant)}/explain`))

describe('GET …/experiments/{id}/assignments/{participant}', () => {
  it('names the variant that anybody can compute, and the revision of the group', async () => {
    await lab.running('checkout', { group_id: owls })
    for (const person of ['ann', 'bob', 'josé']) {
      const variant = halfOf('checkout', person)
      expect(await assigned('checkout', person)).toEqual({
        status: 200,
        experiment_id: 'checkout',
        participant_id: person,
        ...{ variant, value: variant, reason: 'SPLIT', version: 1, revision: 1 },
      })
    }
  })

  it('hashes an id as files have it, and repeats it as it was requested', async () => {
    const { variant } = await assigned('checkout', 'josé')
    for (const spelling of ['jose\u0301', ' josé', 'josé\u200b'])
      expect(await assigned('checkout', spelling)).toMatchObject({
        participant_id: spelling,
        variant,
        reason: 'SPLIT',
      })
  })

  it('says why somebody has no variant, with the value of the control', async () => {
    const holdout = { id: 'quarter', share: 2000 }
    const layer = { id: 'cart', from: 0, to: 5000 }
    await lab.running('narrow', { traffic: 3000, layer, holdout, control: 'treatment' })
    const isHeld = (person: string) => shard('holdout-quarter', person) < 2000
    const isLayered = (person: string) => shard('layer-cart', person) < 5000
    const takesPart = (person: string) => shard('traffic-narrow-v1', person) < 3000
    const outside = { variant: null, value: 'treatment', version: 1 }
    const all = [
      [isHeld, { ...outside, reason: 'HELD_OUT' }],
      [(one: string) => !isHeld(one) && !isLayered(one), { ...outside, reason: 'OTHER_LAYER' }],
      [
        (one: string) => !isHeld(one) && isLayered(one) && !takesPart(one),
        { ...outside, reason: 'NOT_IN_TRAFFIC' },
      ],
      [
        (one: string) => !isHeld(one) && isLayered(one) && takesPart(one),
        { reason: 'SPLIT', version: 1 },
      ],
    ] as const
    for (const [fits, answer] of all) {
      const person = someone(fits)
      const shown = await assigned('narrow', person)
      expect(shown).toMatchObject(answer)
      expect(shown).not.toHaveProperty('revision')
    }
    expect(await assigned('checkout', 'stranger')).toMatchObject({
      ...{ variant: null, value: 'control', reason: 'NOT_IN_GROUP', revision: 1 },
    })
  })

  it('has no variant while the experiment is not running, and the same one after', async () => {
    await lab.draft('waiting', { group_id: owls })
    const outside = { variant: null, value: 'control', reason: 'NOT_RUNNING' }
    const inside = { variant: halfOf('waiting', 'ann'), reason: 'SPLIT' }
    expect(await assigned('waiting', 'ann')).toMatchObject(outside)
    await lab.start('waiting')
    expect(await assigned('waiting', 'ann')).toMatchObject(inside)
    await lab.pause('waiting')
    expect(await assigned('waiting', 'ann')).toMatchObject(outside)
    await lab.start('waiting')
    expect(await assigned('waiting', 'ann')).toMatchObject(inside)
    await lab.end('waiting')
    expect(await assigned('waiting', 'ann')).toMatchObject(outside)
  })

  it('gives a forced variant to whom it is forced on, in the group or not', async () => {
    const [control, treatment] = halves
    await lab.running('forced', {
      group_id: owls,
      traffic: 0,
      variants: [
        { ...control, forced: ['stranger', 'jose\u0301'] },
        { ...treatment, forced: ['ann', '__proto__'] },
      ],
    })
    for (const [person, variant] of [
      ['stranger', 'control'],
      ['josé', 'control'],
      ['ann', 'treatment'],
      [' ann ', 'treatment'],
      ['__proto__', 'treatment'],
    ] as const)
      expect(await assigned('forced', person)).toMatchObject({ variant, reason: 'FORCED' })
    expect(await assigned('forced', 'bob')).toMatchObject({ reason: 'NOT_IN_TRAFFIC' })
  })

  it.each(['\u0007', ' ', '\u200b', 'x'.repeat(1025)])(
    'gives nothing to an id that nobody can have: %j',
    async (person) => {
      if ((await lab.send('GET', '/anyone')).status === 404) await lab.running('anyone')
      expect(await assigned('anyone', person)).toMatchObject({
        ...{ participant_id: person, variant: null, value: 'control', reason: 'NO_UNIT' },
      })
    },
  )

  it('gives values as they were given, with all of their digits', async () => {
    const values = '[12345678901234567890,{"__proto__":{"n":98765432109876543210},"list":[1,null]}]'
    const variants = (value: string) =>
      `[{"id":"a","weight":0,"value":${value}},{"id":"b","weight":10000,"value":${value}}]`
    for (const [i, value] of ['12345678901234567890', '1.5', 'true', '"é"', values].entries()) {
      const id = `digits-${i}`
      const given = value === values ? `{"inner":${values}}` : value
      const body = `{"id":"${id}","name":"n","variants":${variants(given)}}`
      const headers = { 'content-type': 'application/json' }
      const made = await lab.team.call('POST', '/experiments', { body, headers })
      expect([made.status, await made.text()]).toEqual([200, expect.any(String)])
      await lab.start(id)
      const answer = await lab.send('GET', path(id, 'ann'))
      expect(await answer.text()).toContain(`"variant":"b","value":${given},"reason":"SPLIT"`)
    }
  })

  it('takes ids that look like prototypes for ids', async () => {
    for (const id of ['__proto__', 'constructor', 'tostring', 'hasownproperty']) {
      const variants = ['__proto__', 'constructor'].map((one) => ({ id: one, weight: 5000 }))
      await lab.running(id, { variants })
      for (const person of ['__proto__', 'constructor', 'valueOf']) {
        const isFirst = shard(`split-${id}-v1`, person) < 5000
        const variant = isFirst ? '__proto__' : 'constructor'
        expect(await assigned(id, person)).toMatchObject({ variant, value: variant })
      }
    }
  })

  it('draws from a hundred variants', async () => {
    const variants = Array.from({ length: 100 }, (_, i) => ({ id: `v${i}`, weight: 100, value: i }))
    await lab.running('hundred', { variants })
    for (const person of ['ann', 'bob', 'cid', 'dan', 'eve']) {
      const place = Math.floor(shard('split-hundred-v1', person) / 100)
      expect(await assigned('hundred', person)).toMatchObject({
        variant: `v${place}`,
        value: place,
      })
    }
  })

  it("finds no experiment that is unknown, deleted, or another workspace's", async () => {
    await lab.draft('deleted')
    expect((await lab.send('DELETE', '/deleted')).status).toBe(204)
    const other = await Lab.open()
    await other.running('theirs')
    for (const id of ['unknown', 'deleted', 'theirs', 'Checkout', 'a', '%', ''])
      for (const ask of [assigned, explained]) expect(await ask(id, 'ann')).toEqual(notFound)
    expect(await assigned('checkout', 'ann', other)).toEqual(notFound)
  })

  it('is open to tokens that may evaluate flags, and nothing else', async () => {
    const { workspace } = lab.team
    const token = await tokenOf(await newClient(['flags:evaluate'], workspace))
    const get = (path: string, init: RequestInit = {}) =>
      call(`/platform/workspaces/${workspace}/experiments${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      })
    expect((await get(path('checkout', 'ann'))).status).toBe(200)
    expect((await get(`${path('checkout', 'ann')}/explain`)).status).toBe(403)
    const body = JSON.stringify({ participant_ids: ['ann'] })
    expect((await get('/assignments', { method: 'POST', body })).status).toBe(403)
  })
})

describe('GET …/experiments/{id}/assignments/{participant}/explain', () => {
  it('shows each check in its order, with salt, shard and range', async () => {
    const holdout = { id: 'summer', share: 100 }
    const layer = { id: 'page', from: 1000, to: 9000 }
    await lab.running('deep', { group_id: owls, traffic: 4000, holdout, layer })
    const { checks, ...assignment } = await explained('deep', 'bob')
    expect(assignment).toEqual(await assigned('deep', 'bob'))
    const draw = (check: string, salt: string, from: number, to: number) => {
      const at = shard(salt, 'bob')
      return { check, passed: from <= at && at < to, salt, shard: at, from, to }
    }
    expect(checks).toEqual([
      { check: 'running', passed: true, status: 'running' },
      { check: 'forced', passed: true, variant: null },
      { check: 'group', passed: true, group_id: owls },
      { check: 'unit', passed: true, unit: 'participant', key: 'bob' },
      draw('holdout', 'holdout-summer', 100, 10_000),
      draw('layer', 'layer-page', 1000, 9000),
      draw('traffic', 'traffic-deep-v1', 0, 4000),
      {
        ...{ check: 'split', passed: true },
        ...{ salt: 'split-deep-v1', shard: shard('split-deep-v1', 'bob') },
        variants: [
          { id: 'control', from: 0, to: 5000 },
          { id: 'treatment', from: 5000, to: 10_000 },
        ],
      },
    ])
  })

  it('goes on to the end though a check before has decided', async () => {
    await lab.draft('refused', {
      group_id: owls,
      variants: [{ ...halves[0], forced: ['stranger'] }, halves[1]],
    })
    const { checks, reason } = await explained('refused', 'stranger')
    expect(reason).toBe('NOT_RUNNING')
    expect((checks as Json[]).map(({ check, passed }) => [check, passed])).toEqual([
      ['running', false],
      ['forced', false],
      ['group', false],
      ['unit', true],
      ['traffic', true],
      ['split', true],
    ])
  })

  it('tells what a household shares only to those who may read users', async () => {
    const home = '1 Elm St'
    await lab.team.define(household)
    await lab.team.user('ann', { $address: home })
    await lab.team.recompute()
    await lab.running('homes', { unit: 'household' })
    const { checks } = await explained('homes', 'ann')
    const [, , , unit, ...draws] = checks as Json[]
    expect(unit).toEqual({ check: 'unit', passed: true, unit: 'household', key: home })
    expect(draws.map((draw) => draw['shard'])).toEqual(
      ['traffic-homes-v1', 'split-homes-v1'].map((salt) => shard(salt, home)),
    )
    const client = await newClient(['experiments:read'], lab.team.workspace)
    const answer = await call(
      `/platform/workspaces/${lab.team.workspace}/experiments${path('homes', 'ann')}/explain`,
      { headers: { authorization: `Bearer ${await tokenOf(client)}` } },
    )
    const text = await answer.text()
    expect(text).not.toContain(home)
    const hidden = (JSON.parse(text) as Json)['checks'] as Json[]
    expect(hidden).toEqual(
      (checks as Json[]).map((check) => ({
        ...check,
        ...('key' in check && { key: null }),
        ...('shard' in check && { shard: null }),
      })),
    )
    const nobody = await explained('homes', 'stranger')
    expect(nobody).toMatchObject({ variant: null, reason: 'NO_UNIT' })
    expect((nobody['checks'] as Json[]).map(({ check }) => check)).toEqual([
      ...['running', 'forced', 'group', 'unit'],
    ])
  })

  it('tells nobody the value of a user whom a correction keeps alone', async () => {
    const alone = await Lab.open()
    await alone.team.define(household)
    await alone.team.user('ann', { $address: '1 Elm St' })
    const correction = { alone: true }
    await alone.team.send('PUT', '/groups/household/corrections/ann', correction)
    await alone.team.recompute()
    await alone.running('homes', { unit: 'household' })
    const { reason, checks } = await explained('homes', 'ann', alone)
    expect(reason).toBe('SPLIT')
    expect(checks).toContainEqual({ check: 'unit', passed: true, unit: 'household', key: null })
    const { metadata } = await said(
      call('/ofrep/v1/evaluate/flags/homes', {
        ...json('POST', { context: { targetingKey: 'ann' } }),
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${alone.team.token}`,
        },
      }),
    )
    expect(metadata).toEqual({ version: 1 })
  })
})

describe('POST …/experiments/assignments', () => {
  let one: Lab
  let group: string
  const people = ['bob', ' bob', 'stranger', '__proto__', 'ann', 'bob', 'constructor', '\u0007']
  beforeAll(async () => {
    one = await Lab.open()
    group = await one.group(['ann', 'bob', 'constructor'])
    const forced = [{ ...halves[0], forced: ['stranger', '__proto__'] }, halves[1]]
    await one.team.define(household)
    for (const person of ['ann', 'constructor']) await one.team.user(person, { $address: 'Elm' })
    await one.team.recompute()
    await one.running('everybody', { traffic: 6000 })
    await one.running('__proto__', { group_id: group, variants: forced })
    await one.running('homes', { group_id: group, unit: 'household' })
    await one.running('paused', { variants: forced })
    await one.pause('paused')
    await one.running('layered', { layer: { id: 'l', from: 0, to: 5000 } })
    await one.draft('draft')
  })

  const many = (body: Json, of = one) => said(of.send('POST', '/assignments', body))

  it('says of each what it says of one, in the order and spelling asked', async () => {
    const answer = await many({ participant_ids: people })
    const ids = ['__proto__', 'everybody', 'homes', 'layered', 'paused']
    expect(answer['experiments']).toEqual([
      { id: '__proto__', version: 1, revision: 1 },
      { id: 'everybody', version: 1 },
      { id: 'homes', version: 1, revision: 1 },
      { id: 'layered', version: 1 },
      { id: 'paused', version: 1 },
    ])
    const assignments = answer['assignments'] as { participant_id: string; experiments: Json }[]
    expect(assignments.map(({ participant_id }) => participant_id)).toEqual(people)
    for (const { participant_id, experiments } of assignments) {
      expect(Object.keys(experiments).sort()).toEqual(ids)
      for (const [id, shown] of Object.entries(experiments)) {
        const { variant, value, reason } = await assigned(id, participant_id, one)
        expect([participant_id, id, shown]).toEqual([
          participant_id,
          id,
          { variant, value, reason },
        ])
      }
    }
    const reasons = assignments.flatMap(({ experiments }) =>
      Object.values(experiments).map((shown) => (shown as Json)['reason']),
    )
    expect([...new Set(reasons)].sort()).toEqual([
      ...['FORCED', 'NOT_IN_GROUP', 'NOT_IN_TRAFFIC', 'NOT_RUNNING', 'NO_UNIT', 'OTHER_LAYER'],
      'SPLIT',
    ])
  })

  it('answers of the experiments that are named, drafts too, once each', async () => {
    const experiment_ids = ['homes', 'draft', 'homes']
    const answer = await many({ participant_ids: ['bob'], experiment_ids })
    expect(answer).toEqual({
      status: 200,
      assignments: [
        {
          participant_id: 'bob',
          experiments: {
            draft: { variant: null, value: 'control', reason: 'NOT_RUNNING' },
            homes: { variant: null, value: 'control', reason: 'NO_UNIT' },
          },
        },
      ],
      experiments: [
        { id: 'draft', version: 1 },
        { id: 'homes', version: 1, revision: 1 },
      ],
    })
    expect(await many({ participant_ids: ['bob'], experiment_ids: [] })).toEqual({
      status: 200,
      assignments: [{ participant_id: 'bob', experiments: {} }],
      experiments: [],
    })
    expect(await many({ participant_ids: ['bob'] }, await Lab.open())).toMatchObject({
      experiments: [],
    })
  })

  it('finds no experiment that is unknown or that of others', async () => {
    for (const id of ['unknown', 'checkout', ''])
      expect(await many({ participant_ids: ['bob'], experiment_ids: ['homes', id] })).toEqual(
        notFound,
      )
  })

  it.each([
    [{}, 'participant_ids is required'],
    [{ participant_ids: [] }, 'participant_ids must name at least one'],
    [
      { participant_ids: Array.from({ length: 1001 }, String) },
      'participant_ids cannot name more than 1000',
    ],
    [{ participant_ids: [7] }, 'participant_ids.0 must be of type string'],
    [
      { participant_ids: ['a'], experiment_ids: Array.from({ length: 101 }, String) },
      'experiment_ids cannot name more than 100',
    ],
  ])('refuses what is too much or nothing: %#', async (body, message) => {
    expect(await many(body)).toEqual(declined(422, message))
  })

  it('refuses values that are too much for one answer, by the field', async () => {
    const rich = await Lab.open()
    const value = 'x'.repeat(16_000)
    const variants = [
      { id: 'a', weight: 0, value: '' },
      { id: 'b', weight: 10_000, value },
    ]
    await rich.running('rich', { variants })
    await rich.running('richer', { variants })
    const participant_ids = Array.from({ length: 1000 }, (_, i) => `person-${i}`)
    expect(await many({ participant_ids }, rich)).toEqual(
      declined(422, 'participant_ids have variants with too long values: ask for fewer at a time'),
    )
    const fewer = await many({ participant_ids: participant_ids.slice(0, 500) }, rich)
    expect(fewer).toMatchObject({ status: 200 })
  })

  it('makes a long answer piece by piece, as it would take all memory', async () => {
    const rich = await Lab.open()
    const variants = halves.map((half) => ({ ...half, value: { text: '李'.repeat(1000) } }))
    await rich.running('rich', { variants })
    const people = Array.from({ length: 1000 }, (_, i) => `person-${i}`)
    const init = json('POST', { participant_ids: people })
    const headers = { ...init.headers, authorization: `Bearer ${rich.team.token}` }
    const place = `/platform/workspaces/${rich.team.workspace}/experiments/assignments`
    const texts = vi.spyOn(JSON, 'stringify')
    const answer = await callWith({}, place, { ...init, headers })
    const lengths = texts.mock.results.map(({ value }) => String(value).length)
    texts.mockRestore()
    expect(Math.max(...lengths)).toBeLessThan(100_000)
    const { assignments } = await answer.json<{ assignments: Json[] }>()
    expect(assignments.map((one) => one['participant_id'])).toEqual(people)
  })
})

describe('an assignment', () => {
  it('is of a group of the own workspace alone', async () => {
    const bank = await Bank.open()
    const team = await Team.open(undefined, bank.workspace)
    expect(
      await said(
        team.send('POST', '/experiments', {
          ...{ id: 'foreign', name: 'n', variants: halves, group_id: owls },
        }),
      ),
    ).toMatchObject({ status: 422 })
  })
})
