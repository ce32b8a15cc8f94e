import { describe, expect, it } from 'vitest'
import { declined, isEmpty, said, time } from '../support/answers.ts'
import { halves, Lab } from '../support/experiments.ts'
import type { Json } from '../support/api.ts'

const notFound = declined(404, 'Not found')

describe('POST /experiments', () => {
  it('keeps a draft and shows it as it is kept', async () => {
    const lab = await Lab.open()
    const group_id = await lab.group(['ann'])
    const given = {
      ...{ id: 'checkout', name: 'Checkout', description: 'Two buttons', group_id },
      ...{ unit: 'participant', control: 'blue', traffic: 2500 },
      ...{ layer: { id: 'page', from: 0, to: 5000 }, holdout: { id: 'h1', share: 500 } },
      variants: [
        { id: 'red', weight: 2500, value: { colour: 'red' }, forced: ['ann', ' bob '] },
        { id: 'blue', weight: 7500, value: { colour: 'blue' }, forced: [] },
      ],
    }
    const { status, created_on, ...rest } = await said(
      lab.send('POST', '', { ...given, status: 'running', version: 7, more: 1 }),
    )
    expect(rest).toEqual({
      ...given,
      variants: [{ ...given.variants[0], forced: ['ann', 'bob'] }, given.variants[1]],
      ...{ version: 1, created_by: 'tester', last_modified_by: 'tester' },
      last_modified_on: created_on,
    })
    expect(status).toBe('draft')
    expect(created_on).toMatch(time)
    expect(await lab.get('checkout')).toEqual({ ...rest, status, created_on })
  })

  it('defaults to everybody, participants, full traffic, the first as control', async () => {
    const lab = await Lab.open()
    const { created_on: _, last_modified_on: __, ...draft } = await lab.draft('plain')
    expect(draft).toEqual({
      ...{ id: 'plain', name: 'plain', unit: 'participant', control: 'control', traffic: 10_000 },
      ...{ status: 'draft', version: 1, created_by: 'tester', last_modified_by: 'tester' },
      variants: halves.map(({ id, weight }) => ({ id, weight, value: id, forced: [] })),
    })
  })
})

describe('GET /experiments', () => {
  it('lists them without whom their variants are forced on', async () => {
    const lab = await Lab.open()
    const [control, treatment] = halves
    await lab.draft('one', { variants: [{ ...control, forced: ['ann'] }, treatment] })
    await lab.draft('two')
    const listed = await lab.team.get<Json[]>('/experiments')
    const without = async (id: string) => {
      const { variants, ...rest } = await lab.get(id)
      const listed = (variants as Json[]).map(({ forced: _, ...variant }) => variant)
      return { ...rest, variants: listed }
    }
    expect(listed).toEqual([await without('one'), await without('two')])
    expect(await (await Lab.open()).team.get('/experiments')).toEqual([])
  })
})

describe('POST /experiments/{id}/start', () => {
  it('starts a draft, and leaves a running one as it is', async () => {
    const lab = await Lab.open()
    const draft = await lab.draft('plain')
    const started = await lab.start('plain')
    expect(started).toEqual({
      ...draft,
      status: 'running',
      last_modified_on: started['last_modified_on'],
    })
    expect(Date.parse(String(started['last_modified_on']))).toBeGreaterThan(
      Date.parse(String(draft['last_modified_on'])),
    )
    expect(await lab.start('plain')).toEqual(started)
    expect(await lab.get('plain')).toEqual(started)
    expect(await said(lab.send('POST', '/other/start'))).toEqual(notFound)
  })
})

describe('DELETE /experiments/{id}', () => {
  it('deletes a draft, whose id is free again', async () => {
    const lab = await Lab.open()
    await lab.draft('plain')
    await isEmpty(lab.send('DELETE', '/plain'), 204)
    expect(await said(lab.send('GET', '/plain'))).toEqual(notFound)
    await lab.draft('plain')
  })
})
