import { beforeAll, describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import { call, json, newClient, tokenOf, type Json } from '../support/api.ts'
import { ask, consume, keeping } from '../support/bindings.ts'
import { halves, Lab } from '../support/experiments.ts'
import { reports, seen, storedExposures } from '../support/exposures.ts'

const thirds = [
  { id: 'a', weight: 3400 },
  { id: '__proto__', weight: 3300 },
  { id: 'constructor', weight: 3300 },
]

const eventsOf = async (lab: Lab, type: string): Promise<Json[]> =>
  (await lab.team.get<{ events: Json[] }>(`/events?types=${type}`)).events

const csvOf = async (lab: Lab, id: string, query = ''): Promise<string> => {
  const headers = { accept: 'text/csv' }
  const answer = await lab.team.call('GET', `/experiments/${id}/exposures${query}`, { headers })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'text/csv; charset=utf-8',
  ])
  return answer.text()
}

describe('POST …/experiments/exposures', () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await Lab.open()
    await lab.running('colours', { variants: thirds })
    await lab.draft('draft')
  })
  const post = (...exposures: unknown[]) => lab.send('POST', '/exposures', { exposures })
  const refusal = (message: string) => declined(422, message)

  it('is accepted, and counts the first that is written of each participant', async () => {
    await reports(lab, [
      seen('colours', ' Zoe\u0301 ', 'a', '2026-03-01T23:59:59.999Z'),
      seen('colours', 'bob', '__proto__', '2026-03-02T01:00:00+02:00'),
      seen('colours', 'bob', 'constructor', '2026-03-02T00:00:00Z'),
    ])
    await reports(lab, [seen('colours', 'Zoé', 'constructor', '2026-02-01T00:00:00Z')])
    await reports(lab, [seen('colours', 'cid', 'constructor', '2026-03-02T00:00:00Z')])
    const shown = await lab.team.get('/experiments/colours/exposures')
    expect(shown).toMatchObject({
      version: 1,
      variants: [
        { id: 'a', participants: 1 },
        { id: '__proto__', participants: 1 },
        { id: 'constructor', participants: 1 },
      ],
      srm: false,
    })
    expect(JSON.stringify(shown['days'])).toBe(
      JSON.stringify([
        { day: '2026-03-01', variants: { ['__proto__']: 1, a: 1 } },
        { day: '2026-03-02', variants: { constructor: 1 } },
      ]),
    )
    expect((await eventsOf(lab, 'exposures.reported')).map(({ data }) => data)).toContainEqual({
      exposures: 3,
    })
  })

  it('takes now where no time is said, and for a clock that is ahead', async () => {
    await lab.running('clock')
    const soon = new Date(Date.now() + 200_000).toISOString()
    await reports(lab, [seen('clock', 'ann', 'control'), seen('clock', 'bob', 'control', soon)])
    const { rows } = await storedExposures(lab.team.workspace)
    const times = rows.flatMap(({ id, at }) => (id === 'clock' ? [Number(at)] : []))
    for (const at of times) expect(Math.abs(at - Date.now())).toBeLessThan(60_000)
    expect(times).toHaveLength(2)
  })

  it('is of the version at that time, however late it is written', async () => {
    await lab.running('late')
    const { bound, events } = keeping()
    const { token, workspace } = lab.team
    const { headers, ...init } = json('POST', { exposures: [seen('late', 'ann', 'control')] })
    const all = { ...(headers as Record<string, string>), authorization: `Bearer ${token}` }
    const path = `/platform/workspaces/${workspace}/experiments/exposures`
    await isEmpty(ask(path, { ...init, headers: all }, bound), 202)
    await lab.change('late', { new_version: true, variants: thirds, control: 'a' })
    await lab.change('late', { new_version: true, variants: halves, control: 'control' })
    await reports(lab, [seen('late', 'ann', 'treatment')])
    const messages = events.map(({ message }) => message)
    await consume('events', messages, bound)
    const { rows } = await storedExposures(workspace)
    expect(rows.filter(({ id }) => id === 'late')).toMatchObject([
      { version: 1, who: 'ann', variant: 'control' },
      { version: 3, who: 'ann', variant: 'treatment' },
    ])
    expect(await lab.team.get('/experiments/late/exposures')).toMatchObject({
      version: 3,
      variants: [
        { id: 'control', participants: 0 },
        { id: 'treatment', participants: 1 },
      ],
    })
  })

  it('is accepted of one that is paused or has ended, as reports are late', async () => {
    await lab.running('over')
    await lab.pause('over')
    await reports(lab, [seen('over', 'ann', 'control')])
    await lab.end('over')
    await reports(lab, [seen('over', 'bob', 'control')])
    expect(await csvOf(lab, 'over')).toMatch(/^.*\nann,control,.*\nbob,control,.*\n$/)
  })

  it('leaves out those on whom a variant is forced', async () => {
    await lab.running('tested', {
      variants: [
        { id: 'control', weight: 5000, forced: ['tess'] },
        { id: 'treatment', weight: 5000 },
      ],
    })
    await reports(lab, [seen('tested', 'tess', 'control'), seen('tested', 'bob', 'control')])
    expect(await csvOf(lab, 'tested')).not.toContain('tess')
    expect(await lab.team.get('/experiments/tested/exposures')).toMatchObject({
      variants: [{ participants: 1 }, { participants: 0 }],
    })
  })

  it.each<[string, Json, string]>([
    ['unknown experiment', { experiment_id: 'x' }, 'experiment_id names no experiment'],
    ['draft', { experiment_id: 'draft' }, 'experiment_id names a draft, which nobody can see'],
    ['unknown variant', { variant: 'b' }, 'variant names no variant of the experiment'],
    ['time to come', { at: '2999-01-01T00:00:00Z' }, 'at lies in the future'],
    ['time of before clocks', { at: '0000-01-01T00:00:00+01:00' }, 'at lies before 1970'],
    ['word for a time', { at: 'today' }, 'at must be a time such as 2026-11-24T03:00:00Z'],
    ['day for a time', { at: '2026-11-24' }, 'at must be a time such as 2026-11-24T03:00:00Z'],
    [
      'long id',
      { participant_id: 'x'.repeat(65) },
      'participant_id must be 1 to 64 characters, and have none of control',
    ],
    ['empty id', { participant_id: ' ' }, 'participant_id is required'],
    ['number for an id', { participant_id: 7 }, 'participant_id must be of type string'],
    ['missing variant', { variant: undefined }, 'variant is required'],
  ])('refuses by its field, and all with it: %s', async (_, bad, message) => {
    const before = await storedExposures(lab.team.workspace)
    const good = seen('colours', 'newcomer', 'a')
    expect(await said(post(good, good, good, { ...good, ...bad }))).toEqual(
      refusal(`exposures.3.${message}`),
    )
    expect(await storedExposures(lab.team.workspace)).toEqual(before)
  })

  it("refuses other workspaces' experiments, and those that are deleted", async () => {
    const other = await Lab.open()
    const problem = 'exposures.0.experiment_id names no experiment'
    const one = { exposures: [seen('colours', 'ann', 'a')] }
    expect(await said(other.send('POST', '/exposures', one))).toEqual(refusal(problem))
    expect(await said(other.team.call('GET', '/experiments/colours/exposures'))).toMatchObject({
      status: 404,
    })
  })

  it('takes one to a thousand', async () => {
    const good = seen('colours', 'ann', 'a')
    expect(await said(post())).toEqual(refusal('exposures must hold at least one exposure'))
    expect(await said(post(...Array<Json>(1001).fill(good)))).toEqual(
      refusal('exposures cannot hold more than 1000 exposures'),
    )
    await isEmpty(post(...Array<Json>(1000).fill(good)), 202)
  })

  it('is refused where a workspace would have too many', async () => {
    const full = await Lab.open()
    for (const id of ['first', 'second']) await full.running(id)
    await reports(full, [seen('first', 'ann', 'control'), seen('second', 'ann', 'treatment')])
    await reports(full, [seen('first', 'ann', 'control')])
    await full.change('second', { new_version: true })
    const { bound, events } = keeping({ EXPOSURES_MAX: 3 })
    const report = (...exposures: Json[]) => {
      const init = json('POST', { exposures })
      const authorization = `Bearer ${full.team.token}`
      const headers = { ...(init.headers as Record<string, string>), authorization }
      const path = `/platform/workspaces/${full.team.workspace}/experiments/exposures`
      return ask(path, { ...init, headers }, bound)
    }
    const two = [seen('first', 'bob', 'control'), seen('first', 'cy', 'control')]
    expect(await said(report(...two))).toEqual(
      refusal('The number of exposures in a workspace is limited to 3'),
    )
    await isEmpty(report(seen('first', 'bob', 'control')), 202)
    await consume(
      'events',
      events.map(({ message }) => message),
      bound,
    )
    expect(await full.team.get('/usage')).toMatchObject({
      exposures: { used: 3, cap: 20_000_000 },
    })
    await full.end('first')
    await isEmpty(full.send('DELETE', '/first'), 204)
    await isEmpty(report(seen('second', 'bob', 'control'), seen('second', 'cy', 'control')), 202)
  })

  it('takes a thousand of long ids, which no call of the queue does', async () => {
    await lab.running('wide')
    const many = Array.from({ length: 1000 }, (_, i) =>
      seen('wide', `${i} ${'🎉'.repeat(44)}`, 'control'),
    )
    await reports(lab, many)
    expect(await lab.team.get('/experiments/wide/exposures')).toMatchObject({
      variants: [{ participants: 1000 }, { participants: 0 }],
    })
  })

  it('may be sent by a browser, which may do nothing else', async () => {
    const { workspace } = lab.team
    const path = `/platform/workspaces/${workspace}/experiments/exposures`
    const origin = { origin: 'https://shop.example' }
    const preflight = await call(path, {
      method: 'OPTIONS',
      headers: { ...origin, 'access-control-request-method': 'POST' },
    })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([
      204,
      '*',
    ])
    const token = await tokenOf(await newClient(['flags:evaluate'], workspace))
    const init = json('POST', { exposures: [seen('colours', 'eve', 'a')] })
    const headers = { ...origin, authorization: `Bearer ${token}` }
    const answer = await call(path, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), ...headers },
    })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([202, '*'])
    expect((await call(path.replace('exposures', 'colours/exposures'), { headers })).status).toBe(
      403,
    )
  })
})

describe('GET …/experiments/{id}/exposures', () => {
  let lab: Lab
  beforeAll(async () => {
    lab = await Lab.open()
  })

  it('shows every variant and fits nothing where nobody was exposed', async () => {
    await lab.draft('empty')
    expect(await lab.team.get('/experiments/empty/exposures')).toEqual({
      version: 1,
      variants: [
        { id: 'control', participants: 0 },
        { id: 'treatment', participants: 0 },
      ],
      days: [],
      ...{ chi_squared: 0, p: 1, srm: false },
    })
  })

  it('tells a sample ratio mismatch', async () => {
    await lab.running('uneven')
    const some = (n: number, variant: string) =>
      Array.from({ length: n }, (_, i) => seen('uneven', `${variant}-${i}`, variant))
    await reports(lab, [...some(100, 'control'), ...some(40, 'treatment')])
    const shown = await lab.team.get('/experiments/uneven/exposures')
    // (100 - 70)² / 70 twice.
    expect(shown['chi_squared']).toBeCloseTo(25.714, 3)
    expect(shown).toMatchObject({ srm: true })
    expect(shown['p']).toBeCloseTo(3.96e-7, 8)
  })

  it('has the last 400 days, and counts all', async () => {
    await lab.running('long')
    const day = (i: number) => new Date(Date.UTC(2024, 0, 1) + i * 86_400_000).toISOString()
    await reports(
      lab,
      Array.from({ length: 405 }, (_, i) => seen('long', `p${i}`, 'control', day(i))),
    )
    const shown = await lab.team.get<{ days: Json[]; variants: Json[] }>(
      '/experiments/long/exposures',
    )
    expect(shown.variants[0]).toEqual({ id: 'control', participants: 405 })
    expect([shown.days.length, shown.days[0], shown.days.at(-1)]).toEqual([
      400,
      { day: day(5).slice(0, 10), variants: { control: 1 } },
      { day: day(404).slice(0, 10), variants: { control: 1 } },
    ])
  })

  it('as text/csv lists participants, and is an event', async () => {
    await lab.running('listed')
    await reports(lab, [
      seen('listed', 'b,"c"', 'control', '2026-03-01T10:00:00Z'),
      seen('listed', '=ann', 'treatment', '2026-03-02T11:00:00.5+01:00'),
    ])
    const head = 'participant_id,variant,first_exposed_on\n'
    const last = '"b,""c""",control,2026-03-01T10:00:00.000Z\n'
    expect(await csvOf(lab, 'listed')).toBe(
      `${head}=ann,treatment,2026-03-02T10:00:00.500Z\n${last}`,
    )
    expect(await csvOf(lab, 'listed', '?for=spreadsheet')).toBe(
      `${head}'=ann,treatment,2026-03-02T10:00:00.500Z\n${last}`,
    )
    const data = { experiment_id: 'listed', what: 'exposures' }
    expect((await eventsOf(lab, 'experiment.exported')).map(({ data }) => data)).toEqual([
      data,
      data,
    ])
  })

  it('as text/csv goes on after the last of a file that broke off', async () => {
    await lab.running('broken')
    const at = '2026-03-01T10:00:00Z'
    const all = ['ann', 'bob', 'cy'].map((who) => seen('broken', who, 'control', at))
    await reports(lab, all)
    await lab.change('broken', { new_version: true })
    await reports(lab, all)
    expect(await csvOf(lab, 'broken', '?after=bob')).toBe(
      'participant_id,variant,first_exposed_on\ncy,control,2026-03-01T10:00:00.000Z\n',
    )
    expect(await csvOf(lab, 'broken', '?after=cy')).toBe(
      'participant_id,variant,first_exposed_on\n',
    )
  })

  it('is 404 for an unknown one, also as a file, which is no event', async () => {
    for (const accept of ['application/json', 'text/csv'])
      expect(
        await said(lab.team.call('GET', '/experiments/none/exposures', { headers: { accept } })),
      ).toEqual(declined(404, 'Not found'))
    const events = await eventsOf(lab, 'experiment.exported')
    expect(JSON.stringify(events)).not.toContain('none')
  })
})

describe('experiment.imbalanced', () => {
  it('is announced once for each version, however many more come', async () => {
    const lab = await Lab.open()
    await lab.running('uneven')
    const some = (n: number, word: string) =>
      Array.from({ length: n }, (_, i) => seen('uneven', `${word}-${i}`, 'control'))
    await reports(lab, some(10, 'first'))
    expect(await eventsOf(lab, 'experiment.imbalanced')).toEqual([])
    await reports(lab, some(10, 'second'))
    await reports(lab, some(10, 'third'))
    const told = await eventsOf(lab, 'experiment.imbalanced')
    expect(told).toMatchObject([
      {
        data: { experiment_id: 'uneven', version: 1, observed: { control: 20, treatment: 0 } },
      },
    ])
    await lab.change('uneven', {
      new_version: true,
      variants: [
        { id: 'control', weight: 6000 },
        { id: 'treatment', weight: 4000 },
      ],
    })
    await reports(lab, some(60, 'fourth'))
    const versions = (await eventsOf(lab, 'experiment.imbalanced')).map(
      ({ data }) => (data as Json)['version'],
    )
    expect(versions).toEqual([1, 2])
  })
})
