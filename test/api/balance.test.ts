import { createHash } from 'node:crypto'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { exportAssignments } from '../../src/experiments/export-assignments.ts'
import { resources } from '../../src/resources.ts'
import { declined, said } from '../support/answers.ts'
import { eventually, lines, type Json } from '../support/api.ts'
import { people } from '../support/audiences.ts'
import { halves, Lab } from '../support/experiments.ts'
import { cron, household, Team } from '../support/identity.ts'

/** The shard of a key by another MD5 than ours. */
const shard = (salt: string, key: string) =>
  createHash('md5').update(`${salt}-${key}`).digest().readUInt32BE(0) % 10_000

const notFound = declined(404, 'Not found')
const groupless = declined(
  422,
  'group_id is not set: without a group, nobody knows who could take part',
)

const isComplete = ({ status }: Json) => status === 'complete'

/** The balance of an experiment once it is complete. */
const complete = (lab: Lab, id: string, isIt = isComplete): Promise<Json> =>
  eventually(
    () => lab.get(`${id}/balance`),
    (shown) => isComplete(shown) && isIt(shown),
  )

async function balanceOf(lab: Lab, id: string): Promise<Json> {
  expect((await lab.send('POST', `/${id}/balance`)).status).toBe(202)
  return complete(lab, id)
}

const observedOf = ({ variants }: Json) => (variants as Json[]).map(({ observed }) => observed)

const somebody = people('person', 2000)
const armOf = (key: string, id: string, version = 1) =>
  shard(`split-${id}-v${version}`, key) < 5000 ? 'control' : 'treatment'
const halvesOf = (id: string, members: string[], version = 1) => {
  const control = members.filter((one) => armOf(one, id, version) === 'control').length
  return [control, members.length - control]
}

describe('POST /experiments/:experiment_id/balance', () => {
  it('counts a draft before anybody has seen it', async () => {
    const lab = await Lab.open()
    await lab.draft('price', { group_id: await lab.group(somebody) })
    const requested = await said(lab.send('POST', '/price/balance'))
    expect(requested).toMatchObject({
      status: 'waiting',
      version: 1,
      revision: null,
      members: null,
    })
    const shown = await complete(lab, 'price')
    expect(shown).toMatchObject({ version: 1, revision: 1, members: 2000 })
    expect(observedOf(shown)).toEqual(halvesOf('price', somebody))
    // Nobody is assigned for all that.
    expect(await lab.get('price')).toMatchObject({ status: 'draft' })
  })

  it('counts by holdout, layer, traffic and weights, in the order of variants', async () => {
    const lab = await Lab.open()
    const arms = [
      ['c', 0, 1000],
      ['a', 1000, 1000],
      ['b', 1000, 10_000],
    ] as const
    await lab.draft('mixed', {
      ...{ group_id: await lab.group(somebody), traffic: 7000 },
      ...{ layer: { id: 'page', from: 2000, to: 9000 }, holdout: { id: 'all', share: 500 } },
      variants: arms.map(([id, from, to]) => ({ id, weight: to - from })),
    })
    const drawn = somebody.filter(
      (one) =>
        shard('holdout-all', one) >= 500 &&
        shard('layer-page', one) >= 2000 &&
        shard('layer-page', one) < 9000 &&
        shard('traffic-mixed-v1', one) < 7000,
    )
    const observed = arms.map(([, from, to]) =>
      drawn.map((one) => shard('split-mixed-v1', one)).filter((at) => from <= at && at < to),
    )
    const shown = await balanceOf(lab, 'mixed')
    expect(shown).toMatchObject({
      variants: arms.map(([id, from, to], i) => ({
        ...{ id, observed: observed[i]?.length },
        expected: (drawn.length * (to - from)) / 10_000,
      })),
      ...{ members: 2000, srm: false },
    })
    expect(drawn.length).toBeGreaterThan(500)
  })

  it('counts anew after a change, and shows the last until then', async () => {
    const lab = await Lab.open()
    await lab.draft('price', { group_id: await lab.group(somebody) })
    await balanceOf(lab, 'price')
    await lab.change('price', { traffic: 0, variants: [...halves].reverse() })
    expect(observedOf(await lab.get('price/balance'))).toEqual(halvesOf('price', somebody))
    const again = await balanceOf(lab, 'price')
    expect(again).toMatchObject({
      variants: [
        { id: 'treatment', expected: 0, observed: 0 },
        { id: 'control', expected: 0, observed: 0 },
      ],
      ...{ chi_squared: 0, p: 1, srm: false },
    })
  })

  it('is refused without a group, and where there is none', async () => {
    const lab = await Lab.open()
    await lab.draft('everybody')
    expect(await said(lab.send('POST', '/everybody/balance'))).toEqual(groupless)
    expect(await said(lab.send('POST', '/unknown/balance'))).toEqual(notFound)
    const group_id = await lab.group(['ann'])
    await lab.draft('lost', { group_id })
    await lab.bank.call('DELETE', `/groups/${group_id}`)
    expect(await said(lab.send('POST', '/lost/balance'))).toEqual(notFound)
    expect(await lab.get('lost/balance')).toMatchObject({ status: 'none' })
  })
})

describe('GET /experiments/:experiment_id/balance', () => {
  it('has no numbers before anybody has requested them', async () => {
    const lab = await Lab.open()
    await lab.draft('price', { group_id: await lab.group(['ann']) })
    const none = { expected: null, observed: null }
    expect(await lab.get('price/balance')).toEqual({
      ...{ version: 1, revision: null, status: 'none', members: null },
      variants: halves.map(({ id }) => ({ id, ...none })),
      ...{ chi_squared: null, p: null, srm: null },
    })
  })

  it('tells a mismatch', async () => {
    const lab = await Lab.open()
    const members = somebody.filter((one) => armOf(one, 'skewed') === 'control').slice(0, 16)
    await lab.draft('skewed', { group_id: await lab.group(members) })
    const shown = await balanceOf(lab, 'skewed')
    expect(shown).toEqual({
      ...{ version: 1, revision: 1, status: 'complete', members: 16 },
      variants: [
        { id: 'control', expected: 8, observed: 16 },
        { id: 'treatment', expected: 8, observed: 0 },
      ],
      ...{ chi_squared: 16, p: expect.closeTo(6.334e-5, 7) as number, srm: true },
    })
  })

  it('is computed when an experiment starts', async () => {
    const lab = await Lab.open()
    await lab.running('price', { group_id: await lab.group(somebody) })
    const shown = await complete(lab, 'price')
    expect(observedOf(shown)).toEqual(halvesOf('price', somebody))
    await lab.running('everybody')
    expect(await said(lab.send('GET', '/everybody/balance'))).toEqual(groupless)
  })

  it('is computed anew within a minute of an upload or a new version', async () => {
    const lab = await Lab.open()
    const group = await lab.group(somebody)
    await lab.running('price', { group_id: group })
    await complete(lab, 'price')
    await lab.bank.apply(group, 'REMOVE', lines(somebody.slice(0, 500)))
    await cron('* * * * *', Date.now())
    const shown = await complete(lab, 'price', ({ revision }) => revision === 2)
    expect(observedOf(shown)).toEqual(halvesOf('price', somebody.slice(500)))
    await lab.change('price', { variants: halves, traffic: 9999, new_version: true })
    await cron('* * * * *', Date.now())
    const anew = await complete(lab, 'price', ({ version }) => version === 2)
    expect(anew).toMatchObject({ revision: 2, members: 1500 })
  })

  it('is not for another workspace, and goes with its experiment', async () => {
    const lab = await Lab.open()
    await lab.draft('price', { group_id: await lab.group(['ann']) })
    await balanceOf(lab, 'price')
    const other = await Team.open()
    expect(await said(other.call('GET', '/experiments/price/balance'))).toEqual(notFound)
    expect((await lab.send('DELETE', '/price')).status).toBe(204)
    expect(await said(lab.send('GET', '/price/balance'))).toEqual(notFound)
    await lab.draft('price', { group_id: await lab.group(['ann']) })
    expect(await lab.get('price/balance')).toMatchObject({ status: 'none' })
  })
})

const file = (lab: Lab, id: string, query = '', init: RequestInit = {}) =>
  lab.team.call('GET', `/experiments/${id}/assignments${query}`, {
    headers: { accept: 'text/csv' },
    ...init,
  })

const contentOf = async (lab: Lab, id: string, query = '') => {
  const answer = await file(lab, id, query)
  expect(answer.status).toBe(200)
  return answer.text()
}

const csv = (rows: [string, string][]) =>
  `participant_id,variant\n${lines(rows.map((row) => row.join()))}`

describe('GET /experiments/:experiment_id/assignments', () => {
  it('lists each member with its variant, in the order of ids', async () => {
    const lab = await Lab.open()
    await lab.running('price', { group_id: await lab.group(somebody), traffic: 5000 })
    const answer = await file(lab, 'price')
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="assignments.csv"')
    const takesPart = (one: string) => shard('traffic-price-v1', one) < 5000
    expect(await answer.text()).toBe(
      csv(somebody.map((one) => [one, takesPart(one) ? armOf(one, 'price') : ''])),
    )
    // There is nothing else that it could be.
    expect(await (await file(lab, 'price', '', { headers: {} })).text()).toContain('person-00000,')
  })

  it('keeps ids as they are, and has forced members in their variants', async () => {
    const lab = await Lab.open()
    const [control, treatment] = halves
    const members = ['"a;b"', '=1+1', '__proto__', 'constructor', 'josé', '李雷', '😀']
    await lab.running('price', {
      group_id: await lab.group(members),
      variants: [control, { ...treatment, forced: ['😀', 'stranger', 'constructor'] }],
    })
    const plain = (id: string) => armOf(id, 'price')
    expect(await contentOf(lab, 'price')).toBe(
      csv([
        ['=1+1', plain('=1+1')],
        ['__proto__', plain('__proto__')],
        ['"a;b"', plain('a;b')],
        ['constructor', 'treatment'],
        ['josé', plain('josé')],
        ['李雷', plain('李雷')],
        ['😀', 'treatment'],
      ]),
    )
  })

  it('says what the look-up says of each', async () => {
    const lab = await Lab.open()
    const members = [...somebody.slice(0, 60), '__proto__', 'josé', '😀']
    const [control, treatment] = halves
    await lab.running('price', {
      ...{ group_id: await lab.group(members), traffic: 6000 },
      ...{ layer: { id: 'page', from: 1000, to: 9000 }, holdout: { id: 'all', share: 500 } },
      variants: [control, { ...treatment, forced: ['person-00003', 'stranger'] }],
    })
    const { assignments } = await said(
      lab.send('POST', '/assignments', { participant_ids: members, experiment_ids: ['price'] }),
    )
    const looked = (assignments as { participant_id: string; experiments: Record<string, Json> }[])
      .map(({ participant_id, experiments }): [string, string] => [
        participant_id,
        String(experiments['price']?.['variant'] ?? ''),
      ])
      .sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    expect(await contentOf(lab, 'price')).toBe(csv(looked))
  })

  it('gives a household one variant, and none to those without', async () => {
    const lab = await Lab.open()
    const { team } = lab
    await team.define(household)
    for (const [id, $address] of Object.entries({ ann: '1 Main St', bob: '1 Main St', cid: '2 A' }))
      await team.user(id, { $address })
    await team.recompute()
    const group_id = await lab.group(['ann', 'bob', 'cid', 'dan'])
    await lab.running('price', { group_id, unit: 'household' })
    const arm = (value: string) => armOf(value, 'price')
    expect(await contentOf(lab, 'price')).toBe(
      csv([
        ...[['ann', arm('1 Main St')] as [string, string], ['bob', arm('1 Main St')]],
        ...[['cid', arm('2 A')] as [string, string], ['dan', '']],
      ] as [string, string][]),
    )
    expect(observedOf(await balanceOf(lab, 'price'))).toEqual(
      halvesOf('price', ['1 Main St', '2 A']),
    )
  })

  it('can be for a spreadsheet, and go on after a participant', async () => {
    const lab = await Lab.open()
    const group_id = await lab.group(['=1+1', 'ann', 'bob'])
    await lab.running('price', { group_id })
    const arm = (id: string) => armOf(id, 'price')
    expect(await contentOf(lab, 'price', '?for=spreadsheet')).toBe(
      csv([
        ["'=1+1", arm('=1+1')],
        ['ann', arm('ann')],
        ['bob', arm('bob')],
      ]),
    )
    expect(await contentOf(lab, 'price', '?after=ann')).toBe(csv([['bob', arm('bob')]]))
    expect(await contentOf(lab, 'price', '?after=bob')).toBe(csv([]))
  })

  it('has no variants while the experiment does not run', async () => {
    const lab = await Lab.open()
    await lab.draft('price', { group_id: await lab.group(['ann', 'bob']) })
    const none = csv([
      ['ann', ''],
      ['bob', ''],
    ])
    expect(await contentOf(lab, 'price')).toBe(none)
    await lab.start('price')
    expect(await contentOf(lab, 'price')).not.toBe(none)
    await lab.pause('price')
    expect(await contentOf(lab, 'price')).toBe(none)
  })

  it('is refused without a group, and where there is none', async () => {
    const lab = await Lab.open()
    await lab.draft('everybody')
    expect(await said(file(lab, 'everybody'))).toEqual(groupless)
    expect(await said(file(lab, 'unknown'))).toEqual(notFound)
    await lab.draft('price', { group_id: await lab.group(['ann']) })
    const other = await Team.open()
    expect(await said(other.call('GET', '/experiments/price/assignments'))).toEqual(notFound)
    expect(await said(file(lab, 'price', '?for=nobody'))).toEqual(
      declined(422, 'for must be upload or spreadsheet'),
    )
  })

  it('is an event before its first byte, and none where it is refused', async () => {
    const lab = await Lab.open()
    await lab.draft('price', { group_id: await lab.group(['ann']) })
    await lab.draft('everybody')
    await file(lab, 'everybody')
    await file(lab, 'price')
    const { events } = await lab.team.get<{ events: Json[] }>('/events?types=experiment.exported')
    expect(events.map(({ data }) => data)).toEqual([
      { experiment_id: 'price', what: 'assignments' },
    ])
  })
})

describe('a file of variants that has begun', () => {
  /** A file of more than a piece, the first of which has been read. */
  async function begun() {
    const lab = await Lab.open()
    const members = people('person', 6000)
    const group = await lab.group(members)
    await lab.running('price', { group_id: group })
    const from = { after: '', fileFor: 'upload' as const }
    const stream = await exportAssignments(resources(env), lab.team.workspace, 'price', from)
    const reader = stream.getReader()
    let text = new TextDecoder().decode((await reader.read()).value)
    const rest = async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        text += new TextDecoder().decode(next.value)
      return text
    }
    return { lab, group, rest, expected: csv(members.map((one) => [one, armOf(one, 'price')])) }
  }

  it('is of one revision and one version, whatever changes meanwhile', async () => {
    const { lab, group, rest, expected } = await begun()
    await lab.bank.apply(group, 'REPLACE', lines(people('other', 3000)))
    const [control, treatment] = halves
    const forced = [{ ...control, forced: ['person-05000'] }, treatment]
    await lab.change('price', { variants: forced, new_version: true, traffic: 100 })
    expect(await rest()).toBe(expected)
  })

  it('breaks off where a second upload writes', async () => {
    const { lab, group, rest } = await begun()
    await lab.bank.apply(group, 'REPLACE', lines(people('other', 3000)))
    await lab.bank.apply(group, 'ADD', 'zoe\n')
    await expect(rest()).rejects.toThrow('the group is at revision 3')
  })
})
