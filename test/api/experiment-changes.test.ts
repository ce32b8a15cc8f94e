import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { halves, Lab } from '../support/experiments.ts'
import { household } from '../support/identity.ts'

const notFound = declined(404, 'Not found')
const movesPeople = (field: string) =>
  declined(
    422,
    `${field} cannot change once the experiment has started, as participants would change arms: ` +
      'with "new_version": true all are drawn anew, as long as it has not ended',
  )
const over = (field: string) => declined(422, `${field} cannot change, as the experiment has ended`)

const [control, treatment] = halves
const arms = (first: Json, second: Json = {}) => [
  { ...control, ...first },
  { ...treatment, ...second },
]
const variantsOf = (shown: Json) => shown['variants'] as Json[]

/** An experiment with all that can be said of one. */
async function full() {
  const lab = await Lab.open()
  const group_id = await lab.group([])
  const more = {
    ...{ description: 'Two buttons', group_id, traffic: 2500, control: 'treatment' },
    ...{ layer: { id: 'page', from: 0, to: 5000 }, holdout: { id: 'h1', share: 500 } },
    variants: arms({ value: 1, forced: ['ann'] }, { value: 2, forced: ['bob', 'cid'] }),
  }
  return { lab, group_id, draft: await lab.draft('full', more) }
}

/** Without who has changed it, and when. */
const settings = ({ last_modified_on: _, last_modified_by: __, ...rest }: Json) => rest

describe('PUT /experiments/{id}', () => {
  it('leaves what is not given, and removes what is null', async () => {
    const { lab, draft } = await full()
    const renamed = await lab.change('full', { name: 'Renamed' })
    expect(settings(renamed)).toEqual({ ...settings(draft), name: 'Renamed' })
    const nothing = { description: null, group_id: null, layer: null, holdout: null }
    const less: Json = { ...settings(renamed) }
    for (const field of Object.keys(nothing)) delete less[field]
    expect(settings(await lab.change('full', nothing))).toEqual(less)
    expect(settings(await lab.get('full'))).toEqual(less)
  })

  it('takes what GET shows, and changes nothing by it', async () => {
    const { lab, draft } = await full()
    expect(settings(await lab.change('full', draft))).toEqual(settings(draft))
    await lab.start('full')
    const running = await lab.get('full')
    expect(settings(await lab.change('full', running))).toEqual(settings(running))
    await lab.end('full')
    const ended = await lab.get('full')
    expect(settings(await lab.change('full', ended))).toEqual(settings(ended))
  })

  it('is no change where nothing is given', async () => {
    const { lab, draft } = await full()
    expect(await lab.change('full', {})).toEqual(draft)
    expect(await lab.change('full', { more: 1 })).toEqual(draft)
  })

  it('merges variants by their ids: values and forced ids stay', async () => {
    const { lab } = await full()
    const third = { id: 'third', weight: 2000, value: 3 }
    const weights = [
      { id: 'treatment', weight: 3000 },
      { id: 'control', weight: 5000, forced: ['dan', ' Zoé '.normalize('NFD')] },
      third,
    ]
    expect(variantsOf(await lab.change('full', { variants: weights }))).toEqual([
      { id: 'treatment', weight: 3000, value: 2, forced: ['bob', 'cid'] },
      { id: 'control', weight: 5000, value: 1, forced: ['Zoé', 'dan'].sort() },
      { ...third, forced: [] },
    ])
    // One who moves from an arm to another, and one whose arm is gone.
    const moved = arms({ forced: ['bob'] }, { forced: ['cid'] })
    const shown = await lab.change('full', { variants: moved })
    expect(variantsOf(shown).map(({ forced }) => forced)).toEqual([['bob'], ['cid']])
    expect(
      await said(lab.send('PUT', '/full', { variants: arms({}, { forced: ['bob'] }) })),
    ).toEqual(declined(422, 'variants.1.forced.0 is forced into the variant control already'))
    expect(await lab.get('full')).toEqual(shown)
  })

  it('gives a draft whose control is gone the first variant as control', async () => {
    const lab = await Lab.open()
    await lab.draft('plain')
    const others = [
      { id: 'red', weight: 1 },
      { id: 'treatment', weight: 9999 },
    ]
    expect(await lab.change('plain', { variants: others })).toMatchObject({ control: 'red' })
    await lab.start('plain')
    const variants = [
      { id: 'blue', weight: 10_000 },
      { id: 'treatment', weight: 0 },
    ]
    const answer = lab.send('PUT', '/plain', { variants, new_version: true })
    expect(await said(answer)).toEqual(declined(422, 'control must be the id of a variant'))
  })

  it('changes of a running or paused one what moves nobody', async () => {
    const { lab } = await full()
    await lab.start('full')
    const changes: Json = {
      ...{ name: 'Renamed', description: 'Three', control: 'control', traffic: 10_000 },
      layer: { id: 'page', from: 100, to: 9000 },
      variants: arms({ value: 7, forced: [] }, { value: 8, forced: ['ann'] }).reverse(),
    }
    for (const [field, value] of Object.entries(changes)) {
      const shown = await lab.change('full', { [field]: value })
      // The order of the list means nothing.
      const expected = field === 'variants' ? [...(value as Json[])].reverse() : value
      expect(shown).toMatchObject({ [field]: expected, status: 'running', version: 1 })
      if (field === 'control') await lab.change('full', { control: 'treatment' })
      await lab.pause('full')
      expect(await lab.change('full', { [field]: value })).toMatchObject({ status: 'paused' })
      await lab.start('full')
    }
  })

  it('refuses what would move people, unless all are drawn anew', async () => {
    const { lab } = await full()
    await lab.team.define(household)
    const group_id = await lab.group([])
    await lab.start('full')
    const changes: [Json, string][] = [
      [{ variants: arms({ weight: 4999 }, { weight: 5001 }) }, 'variants.0.weight'],
      [{ variants: [treatment, { ...control, id: 'other', value: 4 }] }, 'variants'],
      [{ variants: [control, treatment, { id: 'third', weight: 0, value: 3 }] }, 'variants'],
      [{ unit: 'household' }, 'unit'],
      [{ group_id }, 'group_id'],
      [{ group_id: null }, 'group_id'],
      [{ layer: { id: 'other', from: 0, to: 5000 } }, 'layer'],
      [{ layer: null }, 'layer'],
      [{ holdout: { id: 'h1', share: 501 } }, 'holdout'],
      [{ holdout: { id: 'h2', share: 500 } }, 'holdout'],
      [{ holdout: null }, 'holdout'],
    ]
    const isRefused = async () => {
      for (const [change, field] of changes)
        for (const more of [{}, { new_version: false }])
          expect(await said(lab.send('PUT', '/full', { ...change, ...more }))).toEqual(
            movesPeople(field),
          )
    }
    const running = await lab.get('full')
    await isRefused()
    expect(await lab.get('full')).toEqual(running)
    await lab.pause('full')
    await isRefused()
    await lab.start('full')
    let version = 1
    for (const [change] of changes.filter(([{ variants }]) => variants === undefined)) {
      const shown = await lab.change('full', { ...change, new_version: true })
      expect(shown).toMatchObject({ version: ++version, status: 'running' })
    }
    const variants = [
      { id: 'treatment', weight: 1 },
      { id: 'other', weight: 9999, value: 5 },
    ]
    expect(await lab.change('full', { variants, new_version: true })).toMatchObject({
      version: version + 1,
      variants: [
        { ...variants[0], value: 2, forced: ['bob', 'cid'] },
        { ...variants[1], forced: [] },
      ],
    })
    expect(await lab.change('full', { new_version: true })).toMatchObject({ version: version + 2 })
  })

  it('takes a new version of a draft for nothing', async () => {
    const { lab, draft } = await full()
    const change = { new_version: true, traffic: 5 }
    expect(settings(await lab.change('full', change))).toEqual({ ...settings(draft), traffic: 5 })
  })

  it('changes of an ended one name and description alone', async () => {
    const { lab, group_id } = await full()
    await lab.start('full')
    await lab.end('full')
    const changes: [Json, string][] = [
      [{ traffic: 1 }, 'traffic'],
      [{ group_id: null }, 'group_id'],
      [{ control: 'control' }, 'control'],
      [{ layer: { id: 'page', from: 0, to: 4999 } }, 'layer'],
      [{ holdout: null }, 'holdout'],
      [{ variants: arms({ value: 9 }) }, 'variants'],
      [{ variants: arms({ forced: [] }) }, 'variants'],
      [{ new_version: true }, 'new_version'],
    ]
    for (const [change, field] of changes)
      expect(await said(lab.send('PUT', '/full', change))).toEqual(over(field))
    expect(
      await said(lab.send('PUT', '/full', { variants: arms({ weight: 0 }, { weight: 10_000 }) })),
    ).toEqual(movesPeople('variants.0.weight'))
    await lab.bank.call('DELETE', `/groups/${group_id}`)
    expect(await lab.change('full', { name: 'Done', description: '' })).toMatchObject({
      name: 'Done',
      status: 'ended',
    })
    expect(await lab.get('full')).not.toHaveProperty('description')
  })

  it('loses none of many changes at once', async () => {
    const lab = await Lab.open()
    await lab.running('plain')
    const changes: Json[] = [
      ...[
        { name: 'Renamed' },
        { description: 'Changed' },
        { traffic: 77 },
        { control: 'treatment' },
      ],
      { variants: arms({ forced: ['ann'] }) },
      { variants: arms({}, { forced: ['bob'] }) },
      ...[{ new_version: true }, { new_version: true }],
    ]
    await Promise.all(changes.map((change) => lab.change('plain', change)))
    expect(await lab.get('plain')).toMatchObject({
      ...{ name: 'Renamed', description: 'Changed', traffic: 77, control: 'treatment', version: 3 },
      variants: arms({ forced: ['ann'] }, { forced: ['bob'] }),
    })
  })

  it('takes thirty changes at once', async () => {
    const lab = await Lab.open()
    await lab.running('plain')
    const changes = Array.from({ length: 30 }, () => lab.change('plain', { new_version: true }))
    await Promise.all(changes)
    expect(await lab.get('plain')).toMatchObject({ version: 31 })
  })

  it('finds none of another name', async () => {
    const lab = await Lab.open()
    for (const id of ['other', '__proto__', 'x', '%00'])
      expect(await said(lab.send('PUT', `/${id}`, { traffic: 1 }))).toEqual(notFound)
  })
})

describe('the status of an experiment', () => {
  const refusal = (status: string, rest: string) => declined(422, `status is ${status}: ${rest}`)

  it('goes from draft to running, to and from paused, to ended', async () => {
    const lab = await Lab.open()
    await lab.draft('plain')
    const steps = ['start', 'pause', 'start', 'pause', 'end'] as const
    const statuses = { start: 'running', pause: 'paused', end: 'ended' }
    for (const step of steps) {
      const shown = await lab[step]('plain')
      expect(shown['status']).toBe(statuses[step])
      expect(await lab[step]('plain')).toEqual(shown)
    }
  })

  it('stays where it may not go', async () => {
    const lab = await Lab.open()
    await lab.draft('plain')
    const started = 'only an experiment that was started can be'
    expect(await said(lab.send('POST', '/plain/pause'))).toEqual(
      refusal('draft', `${started} paused`),
    )
    expect(await said(lab.send('POST', '/plain/end'))).toEqual(refusal('draft', `${started} ended`))
    await lab.start('plain')
    const first = 'end the experiment before you delete it'
    expect(await said(lab.send('DELETE', '/plain'))).toEqual(refusal('running', first))
    await lab.pause('plain')
    expect(await said(lab.send('DELETE', '/plain'))).toEqual(refusal('paused', first))
    const ended = await lab.end('plain')
    const over = 'an experiment that has ended cannot be'
    expect(await said(lab.send('POST', '/plain/start'))).toEqual(
      refusal('ended', `${over} started`),
    )
    expect(await said(lab.send('POST', '/plain/pause'))).toEqual(refusal('ended', `${over} paused`))
    expect(await lab.get('plain')).toEqual(ended)
    await isEmpty(lab.send('DELETE', '/plain'), 204)
    expect(await said(lab.send('DELETE', '/plain'))).toEqual(notFound)
  })

  it('is one, whatever is asked for at once', async () => {
    const lab = await Lab.open()
    await lab.running('plain')
    const paths = ['pause', 'start', 'end', 'pause', 'start', 'end']
    const answers = await Promise.all(paths.map((path) => lab.send('POST', `/plain/${path}`)))
    for (const { status } of answers) expect([200, 422]).toContain(status)
    expect(await lab.get('plain')).toMatchObject({ status: 'ended' })
  })
})

describe('the events of an experiment', () => {
  interface Event extends Json {
    type: string
    data: Json
    change?: { before: Json; after: Json }
  }

  it('are one for each change, with what it was and is, without people and values', async () => {
    const { lab } = await full()
    await lab.start('full')
    await lab.start('full')
    await lab.change('full', { traffic: 9999 })
    await lab.change('full', { new_version: true, variants: arms({ forced: ['dan'], value: 5 }) })
    await lab.change('full', {})
    await lab.pause('full')
    await lab.pause('full')
    await lab.end('full')
    await said(lab.send('POST', '/full/start'))
    await said(lab.send('PUT', '/full', { traffic: 1 }))
    await isEmpty(lab.send('DELETE', '/full'), 204)
    const { events } = await lab.team.get<{ events: Event[] }>('/events?size=100')
    const own = events.filter(({ type }) => type.startsWith('experiment'))
    const object = { kind: 'experiment', id: 'full' }
    const data = { experiment_id: 'full' }
    expect(own).toMatchObject([
      { type: 'experiment.created', data, object },
      {
        ...{ type: 'experiment.started', data: { ...data, version: 1 }, object },
        change: { before: { status: 'draft' }, after: { status: 'running' } },
      },
      {
        ...{ type: 'experiment.updated', data: { ...data, version: 1 } },
        change: {
          before: { traffic: 2500, version: 1 },
          after: { traffic: 9999, version: 1, values_changed: false, forced_changed: false },
        },
      },
      {
        ...{ type: 'experiment.updated', data: { ...data, version: 2 } },
        change: {
          before: { variants: halves, version: 1 },
          after: { variants: halves, version: 2, values_changed: true, forced_changed: true },
        },
      },
      { type: 'experiment.paused', change: { after: { status: 'paused' } } },
      { type: 'experiment.ended', change: { before: { status: 'paused' } } },
      { type: 'experiment.deleted', data },
    ])
    expect(own).toHaveLength(7)
    expect(JSON.stringify(own)).not.toMatch(/"(ann|bob|cid|dan)"/)
  })
})
