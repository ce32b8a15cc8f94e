import { beforeAll, describe, expect, it } from 'vitest'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { createGroup, renameGroup } from '../../src/experience/groups.ts'
import type { ExperimentChange } from '../../src/experiments/change.ts'
import { deleteExperiment } from '../../src/experiments/erase.ts'
import { getExperiment } from '../../src/experiments/experiments.ts'
import { updateExperiment } from '../../src/experiments/update.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { Failure } from '../../src/failure.ts'
import type { Resources } from '../../src/resources.ts'
import { grouped } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { drafted, halves, turned } from '../support/experiments.ts'
import { failures, hazardous, unlessCrash } from '../support/hazard.ts'
import { answer } from '../support/stale.ts'
import { changesNothing, emptyTables } from '../support/store.ts'
import { defined } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const updated = (res: Resources, at: number, id: string, change: ExperimentChange) =>
  updateExperiment(res, at, id, { change, by: 'tester', mayReadUsers: true })

const named = (name: string) => ({ name, type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' })
const page = (from: number, to: number) => ({ layer: { id: 'page', from, to } })
const forcing = (...ids: (string[] | undefined)[]) =>
  halves.map((half, i) => ({ ...half, ...(ids[i] && { forced: ids[i] }) }))

const facts = (reason: string, field?: string) => ({
  facts: { reason, ...(field !== undefined && { field }) },
})

describe('a refusal', () => {
  const [ours, strangers] = [newWorkspace(), newWorkspace()]
  const { res, enqueued } = hazardous({ EXPERIMENTS_MAX: 4 })
  let group: string
  let erased: number
  beforeAll(async () => {
    await emptyTables()
    group = (await grouped(res, ours, 'owls')).id
    await defined(res, ours, 'household', 'street', [])
    const variants = forcing(['ann'], ['bob'])
    await drafted(res, ours, 'first', { group, unit: 'household', variants, ...page(0, 5000) })
    await turned(res, ours, 'first')
    await drafted(res, ours, 'second', page(4999, 10_000))
    await drafted(res, ours, 'third', { variants })
    ;({ key: erased } = await getExperiment(res.databaseOf(ours), ours, 'third'))
    await deleteExperiment(res, ours, 'third')
    enqueued.length = 0
  })

  const refused: [string, ReturnType<typeof facts>, (at: number) => Promise<unknown>][] = [
    ['a taken id', facts('taken'), (at) => drafted(res, at, 'first', { variants: forcing(['x']) })],
    ["a group's name", facts('taken'), (at) => drafted(res, at, 'owls')],
    ['no group', facts('invalid', 'group_id'), (at) => drafted(res, at, 'new', { group: 'none' })],
    ['weights', facts('invalid'), (at) => drafted(res, at, 'new', { variants: [] })],
    ['a layer in use', facts('invalid', 'layer'), (at) => turned(res, at, 'second')],
    ['a pause of a draft', facts('invalid', 'status'), (at) => turned(res, at, 'second', 'paused')],
    ['a deletion', facts('invalid', 'status'), (at) => deleteExperiment(res, at, 'first')],
    [
      'other weights',
      facts('invalid', 'variants.0.weight'),
      (at) =>
        updated(res, at, 'first', {
          variants: forcing(['cid']).map((one, i) => ({ ...one, weight: i * 10_000 })),
        }),
    ],
    [
      'a group that is not there',
      facts('invalid', 'group_id'),
      (at) =>
        updated(res, at, 'first', { group: 'none', newVersion: true, variants: forcing(['cid']) }),
    ],
    ['a group in use', facts('in-experiments'), (at) => deleteGroup(res, at, group)],
    ['a unit in use', facts('in-experiments'), (at) => deleteDefinition(res, at, 'household')],
    ['a group of its id', facts('taken'), (at) => createGroup(res, at, named('first'))],
    ['such a name', facts('taken'), (at) => renameGroup(res, at, group, { name: 'second' })],
  ]
  it.each(refused)('of %s changes no row', async (what, reason, ask) => {
    await changesNothing(what, () => expect(ask(ours)).rejects.toMatchObject(reason))
    expect(enqueued).toEqual([])
  })

  const foreign: [string, (at: number) => Promise<unknown>][] = [
    ['starts', (at) => turned(res, at, 'second')],
    ['ends', (at) => turned(res, at, 'first', 'ended')],
    ['changes', (at) => updated(res, at, 'first', { traffic: 1, variants: forcing([], []) })],
    ['deletes', (at) => deleteExperiment(res, at, 'second')],
  ]
  it.each(foreign)('to a workspace that %s what another has changes no row', async (what, ask) => {
    await changesNothing(what, () =>
      expect(ask(strangers)).rejects.toMatchObject(facts('not-found')),
    )
  })

  it('is no answer to a message of another, or before a deletion', async () => {
    const { key } = await getExperiment(res.databaseOf(ours), ours, 'first')
    for (const [workspace, experiment] of [
      [strangers, erased],
      [ours, key],
    ] as const)
      await changesNothing('a message', () =>
        answer(res, { kind: 'erase-experiment', workspace, experiment }),
      )
  })
})

/** Does something between the read and the write of something else. */
async function between<T>(what: () => Promise<unknown>, does: (res: Resources) => Promise<T>) {
  const { res, meanwhile } = hazardous()
  let calls = 0
  meanwhile(async () => {
    if (calls++ === 0) await what()
  })
  return does(res)
}

describe('what happens between read and write', () => {
  const { res } = hazardous()
  const staged = async (more: ExperimentChange = {}) => {
    const at = newWorkspace()
    const group = (await grouped(res, at)).id
    await defined(res, at, 'household', 'street', [])
    await drafted(res, at, 'one', { group, unit: 'household', ...more })
    return { at, group }
  }
  const shown = (at: number) => getExperiment(res.databaseOf(at), at, 'one')

  it('takes the ground from a start, which is refused', async () => {
    const { at, group } = await staged()
    const start = (res: Resources) => turned(res, at, 'one')
    const groupGone = between(() => deleteGroup(res, at, group), start)
    await expect(groupGone).rejects.toMatchObject(facts('invalid', 'group_id'))
    await updated(res, at, 'one', { group: null })
    const unitGone = between(() => deleteDefinition(res, at, 'household'), start)
    await expect(unitGone).rejects.toMatchObject(facts('invalid', 'unit'))
    expect(await shown(at)).toMatchObject({ status: 'draft' })
  })

  it('takes the layer or the share from a start, which is refused', async () => {
    const holdout = { id: 'h1', share: 1 }
    const { at } = await staged({ ...page(0, 10), holdout })
    await drafted(res, at, 'two', { ...page(9, 11), holdout })
    const start = (res: Resources) => turned(res, at, 'one')
    const overlapped = between(() => turned(res, at, 'two'), start)
    await expect(overlapped).rejects.toMatchObject(facts('invalid', 'layer'))
    await turned(res, at, 'two', 'ended')
    await drafted(res, at, 'three', { ...page(10, 11), holdout: { ...holdout, share: 2 } })
    const shared = between(() => turned(res, at, 'three'), start)
    await expect(shared).rejects.toMatchObject(facts('invalid', 'holdout.share'))
  })

  it('starts what is deleted, or loses its group: both are refused', async () => {
    const { at, group } = await staged()
    const start = () => turned(res, at, 'one')
    const deleted = between(start, (res) => deleteExperiment(res, at, 'one'))
    await expect(deleted).rejects.toMatchObject(facts('invalid', 'status'))
    await turned(res, at, 'one', 'ended')
    await drafted(res, at, 'two', { group, unit: 'household' })
    const again = () => turned(res, at, 'two')
    const groupless = between(again, (res) => deleteGroup(res, at, group))
    await expect(groupless).rejects.toMatchObject({ facts: { by: ['two'], what: 'group' } })
    await turned(res, at, 'two', 'ended')
    await drafted(res, at, 'three', { unit: 'household' })
    const unitless = between(
      () => turned(res, at, 'three'),
      (res) => deleteDefinition(res, at, 'household'),
    )
    await expect(unitless).rejects.toMatchObject({ facts: { by: ['three'], what: 'definition' } })
  })

  it('starts what is changed, which then may not change so', async () => {
    const { at } = await staged()
    const change = { variants: halves.map((half, i) => ({ ...half, weight: 10_000 * i })) }
    const changed = between(
      () => turned(res, at, 'one'),
      (res) => updated(res, at, 'one', change),
    )
    await expect(changed).rejects.toMatchObject(facts('invalid', 'variants.0.weight'))
    const ended = between(
      () => turned(res, at, 'one', 'ended'),
      (res) => updated(res, at, 'one', { traffic: 1 }),
    )
    await expect(ended).rejects.toMatchObject(facts('invalid', 'traffic'))
  })

  it('is kept beside what is written', async () => {
    const { at } = await staged()
    await between(
      () => updated(res, at, 'one', { name: 'Renamed', variants: forcing(['ann']) }),
      (res) => updated(res, at, 'one', { traffic: 7, variants: forcing([], ['bob']).reverse() }),
    )
    await between(
      () => updated(res, at, 'one', { control: 'treatment' }),
      (res) => turned(res, at, 'one'),
    )
    expect(await shown(at)).toMatchObject({
      ...{ name: 'Renamed', traffic: 7, control: 'treatment', status: 'running' },
      forced: new Map([['treatment', ['bob']]]),
    })
  })

  it('takes the id or the place from what is created, and forces nobody', async () => {
    const at = newWorkspace()
    const variants = forcing(['ann'])
    const none = await between(
      () => drafted(res, at, 'one', { variants: forcing([], ['bob']) }),
      (res) => drafted(res, at, 'two', { variants }),
    )
    expect(none.forced).toEqual(new Map([['control', ['ann']]]))
    await expect(drafted(res, at, 'one', { variants })).rejects.toMatchObject(facts('taken'))
    expect((await shown(at)).forced).toEqual(new Map([['treatment', ['bob']]]))
  })

  it('erases a forced id, which a change of others does not bring back', async () => {
    const { at } = await staged({ variants: forcing(['ann', 'zoe'], ['bob']) })
    const { key } = await shown(at)
    const erase = () =>
      homeDb
        .prepare(
          `DELETE FROM experiment_forced WHERE experiment_key = ? AND participant_id = 'ann'`,
        )
        .bind(key)
        .run()
    await between(erase, (res) =>
      updated(res, at, 'one', { variants: forcing(undefined, ['cid']) }),
    )
    expect((await shown(at)).forced).toEqual(
      new Map([
        ['treatment', ['cid']],
        ['control', ['zoe']],
      ]),
    )
  })
})

describe('a change that dies at any of its calls', () => {
  const stateOf = async (at: number) => {
    const { results } = await homeDb
      .prepare(
        `SELECT (SELECT group_concat(id || status || version || traffic) FROM experiments
          WHERE workspace_id = ?1 AND deleted_at IS NULL) AS rows,
        (SELECT group_concat(f.participant_id || f.variant) FROM experiment_forced AS f
          JOIN experiments AS e ON e.key = f.experiment_key
          WHERE e.workspace_id = ?1 AND e.deleted_at IS NULL) AS forced,
        (SELECT count(*) FROM events WHERE workspace_id = ?1) AS events`,
      )
      .bind(at)
      .all()
    return results[0]
  }

  const changes: [string, (res: Resources, at: number) => Promise<unknown>][] = [
    ['create', (res, at) => drafted(res, at, 'two', { variants: forcing(['cid'], ['dan']) })],
    ['start', (res, at) => turned(res, at, 'one')],
    [
      'change',
      (res, at) => updated(res, at, 'one', { traffic: 7, variants: forcing(['cid'], ['ann']) }),
    ],
    ['delete', (res, at) => deleteExperiment(res, at, 'one')],
  ]
  it.each(changes)('is done or not, as a whole (%s)', async (_, does) => {
    const stage = async () => {
      const at = newWorkspace()
      const { res, fuse } = hazardous()
      await drafted(res, at, 'one', { variants: forcing(['ann'], ['bob']) })
      return { at, res, fuse, before: await stateOf(at) }
    }
    const whole = await stage()
    await does(whole.res, whole.at)
    const after = await stateOf(whole.at)
    expect(after).not.toEqual(whole.before)
    let died = 0
    for (const failure of failures(5)) {
      const { at, res, fuse, before } = await stage()
      expect(before).toEqual(whole.before)
      fuse({ ...failure })
      await does(res, at).catch((error: unknown) => {
        unlessCrash(error)
        died++
      })
      fuse(undefined)
      const left = await stateOf(at)
      expect([before, after]).toContainEqual(left)
      // Repeated by its client, it is done once.
      await does(res, at).catch((error: unknown) => {
        if (!(error instanceof Failure)) throw error
        expect(error.facts.reason).toMatch(/taken|not-found/)
      })
      expect({ ...(await stateOf(at)), events: 0 }).toEqual({ ...after, events: 0 })
    }
    expect(died).toBeGreaterThan(1)
  })
})
