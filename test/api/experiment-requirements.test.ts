import { describe, expect, it } from 'vitest'
import { declined, isEmpty, refused, said } from '../support/answers.ts'
import type { Bank, Json } from '../support/api.ts'
import { halves, Lab } from '../support/experiments.ts'
import { household, Team } from '../support/identity.ts'

const noGroup = declined(422, 'group_id is not the id of an experience group')
const noUnit = declined(422, 'unit must be participant or the id of a group definition')
const overlaps = (id: string) => declined(422, `layer overlaps with the experiment ${id}`)
const otherShare = (id: string) =>
  declined(422, `holdout.share must be that of the experiment ${id}`)
const groupInUse = (group: string, by: string) =>
  refused(`groupId ${group} is used by ${by}: end them first.`, '2001')
const unitInUse = (by: string) => declined(422, `The group definition household is used by ${by}`)

const deleteGroup = (bank: Bank, group: string) => bank.call('DELETE', `/groups/${group}`)
const page = (from: number, to: number) => ({ layer: { id: 'page', from, to } })
const held = (share: number) => ({ holdout: { id: 'h1', share } })
const start = (lab: Lab, id: string) => said(lab.send('POST', `/${id}/start`))
const put = (lab: Lab, id: string, body: Json) => said(lab.send('PUT', `/${id}`, body))

/** What requests at once are answered, those that succeeded first. */
const atOnce = async (...answers: Promise<Response>[]) =>
  (await Promise.all(answers)).map(({ ok }) => ok)

describe('the group of an experiment', () => {
  it('must exist as it is created, changed and started', async () => {
    const [lab, other] = [await Lab.open(), await Lab.open()]
    const [group_id, others, gone] = [
      await lab.group([]),
      await other.group([]),
      await lab.group([]),
    ]
    await deleteGroup(lab.bank, gone)
    for (const missing of [others, gone]) {
      const draft = { id: 'plain', name: 'x', variants: [], group_id: missing }
      const variants = [
        { id: 'a', weight: 1 },
        { id: 'b', weight: 9999 },
      ]
      expect(await said(lab.send('POST', '', { ...draft, variants }))).toEqual(noGroup)
    }
    await lab.draft('plain', { group_id: group_id.toUpperCase() })
    expect(await put(lab, 'plain', { group_id: others })).toEqual(noGroup)
    await deleteGroup(lab.bank, group_id)
    expect(await start(lab, 'plain')).toEqual(noGroup)
    // What it does not name anew is not asked for.
    expect(await lab.change('plain', { name: 'Renamed' })).toMatchObject({ group_id })
    await lab.change('plain', { group_id: null })
    await lab.start('plain')
    const change = { group_id: others, new_version: true }
    expect(await put(lab, 'plain', change)).toEqual(noGroup)
    expect(await lab.get('plain')).toMatchObject({ version: 1 })
  })

  it('cannot be deleted while one is running or paused', async () => {
    const lab = await Lab.open()
    const group_id = await lab.group(['ann'])
    await lab.draft('one', { group_id })
    await lab.draft('two', { group_id })
    await lab.start('one')
    expect(await said(deleteGroup(lab.bank, group_id))).toEqual(
      groupInUse(group_id, 'the experiment one'),
    )
    await lab.pause('one')
    await lab.start('two')
    expect(await said(deleteGroup(lab.bank, group_id))).toEqual(
      groupInUse(group_id, 'the experiments one and two'),
    )
    await lab.end('one')
    await lab.change('two', { group_id: null, new_version: true })
    expect((await deleteGroup(lab.bank, group_id)).status).toBe(200)
  })

  it('is not lost to a deletion while one starts', async () => {
    const lab = await Lab.open()
    for (let i = 0; i < 12; i++) {
      const group_id = await lab.group([])
      await lab.draft(`race-${i}`, { group_id })
      const began = lab.send('POST', `/race-${i}/start`)
      const [deleted, started] =
        i % 2 === 0
          ? await atOnce(deleteGroup(lab.bank, group_id), began)
          : (await atOnce(began, deleteGroup(lab.bank, group_id))).reverse()
      expect([deleted, started].sort()).toEqual([false, true])
      const { status } = await lab.bank.call('GET', `/groups/${group_id}`)
      expect(status).toBe(started === true ? 200 : 400)
    }
  })

  it('goes on being filled by its audience', async () => {
    const lab = await Lab.open()
    const { team, bank } = lab
    const group_id = await lab.group(['zoe'])
    await team.audience('owners', { operator: 'equals', attribute: 'has_dog', value: true })
    await team.attach('owners', group_id)
    await lab.running('plain', { group_id })
    await team.user('ann', { has_dog: true })
    const { job_id } = await said(team.call('POST', '/audiences/owners/sync'))
    expect(await bank.ended(String(job_id))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await bank.members(group_id)).toEqual(['ann'])
    await bank.send('PUT', `/groups/${group_id}`, { groupName: 'renamed' })
    expect(await lab.get('plain')).toMatchObject({ status: 'running', group_id })
  })
})

describe('the unit of an experiment', () => {
  it('must be a definition as it is created, changed and started', async () => {
    const [lab, other] = [await Lab.open(), await Lab.open()]
    await other.team.define(household)
    await lab.draft('plain')
    expect(await put(lab, 'plain', { unit: 'household' })).toEqual(noUnit)
    await lab.team.define(household)
    expect(await lab.change('plain', { unit: ' household ' })).toMatchObject({ unit: 'household' })
    await isEmpty(lab.team.call('DELETE', '/groups/household'), 204)
    expect(await start(lab, 'plain')).toEqual(noUnit)
    await lab.change('plain', { unit: 'participant' })
    await lab.start('plain')
  })

  it('is a household only for who may read users', async () => {
    const lab = await Lab.open()
    await lab.team.define(household)
    const writer = await Team.open(['experiments:write'], lab.team.workspace)
    const send = async (method: string, path: string, body: Json) =>
      (await writer.send(method, `/experiments${path}`, body)).status
    const drawn = { id: 'drawn', name: 'Drawn', unit: 'household', variants: halves }
    expect(await send('POST', '', drawn)).toBe(403)
    expect(await send('POST', '', { ...drawn, id: 'plain', unit: 'participant' })).toBe(200)
    expect(await send('PUT', '/plain', { unit: 'household' })).toBe(403)
    await lab.running('one', { unit: 'household' })
    expect(await send('PUT', '/one', { new_version: true })).toBe(403)
    expect(await lab.get('one')).toMatchObject({ version: 1 })
    expect(await send('POST', '/one/pause', {})).toBe(200)
  })

  it('cannot be deleted while one is running or paused', async () => {
    const lab = await Lab.open()
    await lab.team.define(household)
    await lab.running('one', { unit: 'household' })
    const remove = () => lab.team.call('DELETE', '/groups/household')
    expect(await said(remove())).toEqual(unitInUse('the experiment one'))
    await lab.pause('one')
    expect(await said(remove())).toEqual(unitInUse('the experiment one'))
    await lab.end('one')
    await isEmpty(remove(), 204)
  })

  it('is not lost to a deletion while one starts', async () => {
    const lab = await Lab.open()
    for (let i = 0; i < 8; i++) {
      await lab.team.define(household)
      await lab.draft(`race-${i}`, { unit: 'household' })
      const [started, deleted] = await atOnce(
        lab.send('POST', `/race-${i}/start`),
        lab.team.call('DELETE', '/groups/household'),
      )
      expect(started).not.toBe(deleted)
      if (started === true) await lab.end(`race-${i}`)
      await lab.team.call('DELETE', '/groups/household')
    }
  })
})

describe('the layer of an experiment', () => {
  it('is shared with no other that is running or paused', async () => {
    const lab = await Lab.open()
    await lab.running('first', page(0, 5000))
    for (const [i, [from, to]] of (
      [
        [4999, 5001],
        [0, 1],
        [0, 10_000],
        [1000, 2000],
      ] as const
    ).entries()) {
      await lab.draft(`other-${i}`, page(from, to))
      expect(await start(lab, `other-${i}`)).toEqual(overlaps('first'))
    }
    await lab.running('second', page(5000, 10_000))
    await lab.running('elsewhere', { layer: { id: 'basket', from: 0, to: 10_000 } })
    await lab.pause('first')
    expect(await start(lab, 'other-1')).toEqual(overlaps('first'))
    expect(await put(lab, 'second', page(4999, 10_000))).toEqual(overlaps('first'))
    expect(await put(lab, 'first', page(0, 5001))).toEqual(overlaps('second'))
    await lab.change('first', page(100, 200))
    await lab.start('other-1')
    await lab.end('first')
    await lab.start('other-3')
    const [mine, theirs] = [await lab.get('other-3'), await Lab.open()]
    expect(mine).toMatchObject({ status: 'running', ...page(1000, 2000) })
    await theirs.running('first', page(0, 5000))
  })

  it('is not shared by two that start at once, or change', async () => {
    const lab = await Lab.open()
    for (let i = 0; i < 8; i++) {
      const layer = { id: `race-${i}`, from: 0, to: 6000 }
      const [one, two] = [`one-${i}`, `two-${i}`]
      await lab.draft(one, { layer })
      await lab.draft(two, { layer: { ...layer, from: 5999, to: 10_000 } })
      const starts = [one, two].map((id) => lab.send('POST', `/${id}/start`))
      expect((await atOnce(...starts)).sort()).toEqual([false, true])
    }
    await lab.running('left', page(0, 1000))
    await lab.running('right', page(9000, 10_000))
    const changes = await atOnce(
      lab.send('PUT', '/left', page(0, 5001)),
      lab.send('PUT', '/right', page(5000, 10_000)),
    )
    expect(changes.sort()).toEqual([false, true])
  })
})

describe('the holdout of an experiment', () => {
  it('has one share in all that are running or paused', async () => {
    const lab = await Lab.open()
    await lab.running('first', held(500))
    await lab.running('same', held(500))
    await lab.draft('other', held(501))
    expect(await start(lab, 'other')).toEqual(otherShare('first'))
    await lab.pause('first')
    await lab.end('same')
    expect(await start(lab, 'other')).toEqual(otherShare('first'))
    await lab.running('plain')
    const change = { ...held(400), new_version: true }
    expect(await put(lab, 'plain', change)).toEqual(otherShare('first'))
    await lab.change('first', change)
    await lab.change('plain', change)
    await lab.change('other', held(400))
    await lab.start('other')
  })

  it('has one share, also where two start at once', async () => {
    const lab = await Lab.open()
    for (let i = 0; i < 5; i++) {
      await lab.draft(`one-${i}`, { holdout: { id: `h-${i}`, share: 1 } })
      await lab.draft(`two-${i}`, { holdout: { id: `h-${i}`, share: 2 } })
      const starts = ['one', 'two'].map((id) => lab.send('POST', `/${id}-${i}/start`))
      expect((await atOnce(...starts)).sort()).toEqual([false, true])
    }
  })
})

describe('the name of an experience group', () => {
  const taken = (id: string) => refused(`An experiment with id ${id} already exists.`, '2004')
  const create = (lab: Lab, groupName: string) => lab.bank.send('POST', '/groups', { groupName })

  it('is no id of an experiment, and the other way round', async () => {
    const lab = await Lab.open()
    await lab.draft('summer')
    expect(await said(create(lab, ' summer '))).toEqual(taken('summer'))
    const group = await lab.group([], 'winter')
    const rename = (groupName: string) => lab.bank.send('PUT', `/groups/${group}`, { groupName })
    expect(await said(rename('summer'))).toEqual(taken('summer'))
    const draft = {
      name: 'x',
      variants: [
        { id: 'a', weight: 1 },
        { id: 'b', weight: 9999 },
      ],
    }
    expect(await said(lab.send('POST', '', { id: 'winter', ...draft }))).toEqual(
      declined(422, 'An experience group with name winter already exists'),
    )
    expect((await rename('Summer')).status).toBe(200)
    await lab.draft('winter')
    await isEmpty(lab.send('DELETE', '/summer'), 204)
    expect((await rename('summer')).status).toBe(200)
    expect((await rename('summer')).status).toBe(200)
    await deleteGroup(lab.bank, group)
    await lab.draft('summer')
    expect((await create(await Lab.open(), 'summer')).status).toBe(200)
  })

  it('is not both, whatever is created and renamed at once', async () => {
    const lab = await Lab.open()
    const group = await lab.group([])
    const draft = {
      name: 'x',
      variants: [
        { id: 'a', weight: 1 },
        { id: 'b', weight: 9999 },
      ],
    }
    for (let i = 0; i < 8; i++) {
      const id = `race-${i}`
      const create = lab.send('POST', '', { id, ...draft })
      const other =
        i % 2 === 0
          ? lab.bank.send('POST', '/groups', { groupName: id })
          : lab.bank.send('PUT', `/groups/${group}`, { groupName: id })
      expect((await atOnce(create, other)).sort()).toEqual([false, true])
    }
  })
})
