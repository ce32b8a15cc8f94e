import { describe, expect, it } from 'vitest'
import { lines, type Json } from '../support/api.ts'
import { halves, Lab } from '../support/experiments.ts'
import { household, mondayIn } from '../support/identity.ts'
import { halfOf, shard, someone } from '../support/shards.ts'

interface Shown {
  variant: string | null
  reason: string
  revision?: number
}

const people = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `person-${from + i}`)

const one = async (lab: Lab, experiment: string, person: string): Promise<Shown> => {
  const path = `/${experiment}/assignments/${encodeURIComponent(person)}`
  return (await lab.send('GET', path)).json<Shown>()
}

interface Many {
  assignments: { participant_id: string; experiments: Record<string, Shown> }[]
  experiments: { id: string; revision?: number }[]
}

const many = async (lab: Lab, participant_ids: string[]): Promise<Many> =>
  (await lab.send('POST', '/assignments', { participant_ids })).json<Many>()

describe('while a REPLACE goes live', () => {
  it('an answer is of the old or the new revision, never of both', async () => {
    const lab = await Lab.open()
    const group = await lab.group(people(0, 1000))
    await lab.running('first', { group_id: group })
    await lab.running('second', { group_id: group })
    // Some of the old revision alone, of both, of the new one alone, and of none.
    const watched = [...people(0, 5), ...people(700, 705), ...people(70_000, 70_005), 'nobody']
    const expected = (person: string, revision: number) => {
      const n = Number(person.replace('person-', ''))
      return revision === 1 ? n < 1000 : n >= 500 && n < 100_500
    }
    const check = (id: string, person: string, shown: Shown, revision = 0): void => {
      const inside = { variant: halfOf(id, person), reason: 'SPLIT' }
      const outside = { variant: null, reason: 'NOT_IN_GROUP' }
      expect([revision, person, shown]).toMatchObject([
        revision,
        person,
        expected(person, revision) ? inside : outside,
      ])
    }

    const answer = await lab.bank.upload(group, 'REPLACE', lines(people(500, 100_500)))
    const { jobId } = await answer.json<{ jobId: string }>()
    const seen = new Set<number | undefined>()
    for (let ended = false; !ended; await scheduler.wait(5)) {
      const { jobStatus } = await lab.bank.get(`/jobs/${jobId}`)
      ended = !['CREATED', 'PROCESSING'].includes(String(jobStatus))
      for (const person of [watched[0], watched[5], watched[10]]) {
        if (person === undefined) continue
        const shown = await one(lab, 'first', person)
        seen.add(shown.revision)
        check('first', person, shown, shown.revision)
      }
      const { assignments, experiments } = await many(lab, watched)
      const [revision, other] = experiments.map((experiment) => experiment.revision)
      expect(other).toBe(revision)
      seen.add(revision)
      for (const { participant_id, experiments: shown } of assignments)
        for (const [id, arm] of Object.entries(shown)) check(id, participant_id, arm, revision)
    }
    expect([...seen]).toEqual([1, 2])
  })
})

describe('a household', () => {
  const living = async (lab: Lab, home: Record<string, string>) => {
    for (const [person, $address] of Object.entries(home)) await lab.team.user(person, { $address })
  }

  /** Two addresses that are drawn into different variants. */
  const homes = (experiment: string): [string, string] => [
    someone((home) => halfOf(experiment, home) === 'control'),
    someone((home) => halfOf(experiment, home) === 'treatment'),
  ]

  it('has one variant, those who move in have it, and those who move out have another', async () => {
    const lab = await Lab.open()
    await lab.team.define(household)
    const [elm, oak] = homes('street')
    await living(lab, { ann: elm, bob: elm, cid: oak })
    await lab.team.monday(mondayIn(1))
    await lab.running('street', { unit: 'household' })
    const arms = async () =>
      Object.fromEntries(
        (await many(lab, ['ann', 'bob', 'cid', 'dan', 'stranger'])).assignments.map(
          ({ participant_id, experiments }): [string, unknown] => [
            participant_id,
            experiments['street']?.variant ?? experiments['street']?.reason,
          ],
        ),
      )
    const first = { ann: 'control', bob: 'control', cid: 'treatment', dan: 'NO_UNIT' }
    expect(await arms()).toEqual({ ...first, stranger: 'NO_UNIT' })

    // It grows and splits; until Monday, nobody has moved.
    await living(lab, { dan: elm, bob: oak })
    expect(await arms()).toEqual({ ...first, stranger: 'NO_UNIT' })
    await lab.team.monday(mondayIn(2))
    const second = { ann: 'control', bob: 'treatment', cid: 'treatment', dan: 'control' }
    expect(await arms()).toEqual({ ...second, stranger: 'NO_UNIT' })
    for (const [person, variant] of Object.entries(second))
      expect(await one(lab, 'street', person)).toMatchObject({ variant, reason: 'SPLIT' })

    expect((await lab.team.call('DELETE', '/users/ann')).status).toBe(204)
    expect(await arms()).toMatchObject({ ann: 'NO_UNIT', dan: 'control' })
  })

  it('takes part as a whole: its traffic, layer and holdout are drawn by its value', async () => {
    const lab = await Lab.open()
    await lab.team.define(household)
    const holdout = { id: 'h', share: 3000 }
    const layer = { id: 'l', from: 0, to: 6000 }
    const reasonOf = (home: string) => {
      if (shard('holdout-h', home) < 3000) return 'HELD_OUT'
      if (shard('layer-l', home) >= 6000) return 'OTHER_LAYER'
      return shard('traffic-whole-v1', home) < 5000 ? 'SPLIT' : 'NOT_IN_TRAFFIC'
    }
    const reasons = ['HELD_OUT', 'OTHER_LAYER', 'NOT_IN_TRAFFIC', 'SPLIT']
    const addresses = reasons.map((reason) => someone((home) => reasonOf(home) === reason))
    const members = addresses.flatMap((home, i) => [`a${i}`, `b${i}`].map((id) => [id, home]))
    await living(lab, Object.fromEntries(members))
    await lab.team.recompute()
    await lab.running('whole', { unit: 'household', traffic: 5000, layer, holdout })
    const { assignments } = await many(lab, ['a0', 'b0', 'a1', 'b1', 'a2', 'b2', 'a3', 'b3'])
    expect(assignments.map(({ experiments }) => experiments['whole']?.reason)).toEqual(
      reasons.flatMap((reason) => [reason, reason]),
    )
  })
})

describe('somebody on whom a variant is forced', () => {
  it('has it whatever the group says, and is drawn again when it no longer is', async () => {
    const lab = await Lab.open()
    const group = await lab.group(['ann'])
    const [control, treatment] = halves
    const forced = (ids: string[]): Json[] => [{ ...control, forced: ids }, { ...treatment }]
    await lab.running('forced', { group_id: group, variants: forced(['ann', 'stranger']) })
    for (const person of ['ann', 'stranger'])
      expect(await one(lab, 'forced', person)).toMatchObject({
        ...{ variant: 'control', reason: 'FORCED' },
      })
    await lab.change('forced', { variants: forced([]) })
    expect(await one(lab, 'forced', 'ann')).toMatchObject({
      ...{ variant: halfOf('forced', 'ann'), reason: 'SPLIT' },
    })
    expect(await one(lab, 'forced', 'stranger')).toMatchObject({ reason: 'NOT_IN_GROUP' })
  })
})
