import { beforeAll, describe, expect, it } from 'vitest'
import { connect, type Db } from '../../src/db/connect.ts'
import { findAssignments } from '../../src/experiments/lookup-many.ts'
import { getFlag, listFlags } from '../../src/experiments/flags.ts'
import { getAssignment } from '../../src/experiments/lookup.ts'
import { homeDb } from '../support/databases.ts'
import { definition, group, insert } from '../support/rows.ts'
import { plansOf, watched } from '../support/plans.ts'

const arms = JSON.stringify([
  { id: 'a', from: 0, to: 5000, value: 'a' },
  { id: 'b', from: 5000, to: 10_000, value: 'b' },
])

/** A running experiment of a workspace. */
const experiment = (key: number, workspace_id: number, more: Record<string, unknown> = {}) =>
  insert('experiments', {
    ...{ key, workspace_id, id: `experiment-${key}`, name: 'n', variants: arms, control: 'a' },
    ...{ traffic: 10_000, status: 'running', created_on: 0, created_by: '', last_modified_on: 0 },
    ...{ last_modified_by: '', ...more },
  })

const groupId = (key: number) => `00000000-0000-4000-8000-${String(key).padStart(12, '0')}`

const people = (count: number) => Array.from({ length: count }, (_, i) => `person-${i}`)

/** Many rows of one kind, in few batches. */
async function write(statements: D1PreparedStatement[]): Promise<void> {
  for (let i = 0; i < statements.length; i += 500) await homeDb.batch(statements.slice(i, i + 500))
}

/** Of groups that everybody is in: `members` are ids, `groups` keys. */
const everywhere = (workspace: number, members: string[], groups: number[]) =>
  homeDb
    .prepare(
      `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
    SELECT ?1, p.value, g.value, 1, 1 FROM json_each(?2) AS p CROSS JOIN json_each(?3) AS g`,
    )
    .bind(workspace, JSON.stringify(members), JSON.stringify(groups))

async function cost(read: (db: Db) => Promise<unknown>) {
  const { db, meter } = watched()
  await read(db)
  return meter
}

const spelled = (key: string) => ({ key, spellings: [key] })

describe('what an assignment costs', () => {
  const workspace = 41
  const groups = Array.from({ length: 300 }, (_, i) => 5000 + i)
  const most = people(1000)

  beforeAll(async () => {
    await write([
      ...groups.map((key) =>
        group(key, { id: groupId(key), workspace_id: workspace, revision: 1 }),
      ),
      // Most have a group; one of ten is open to everybody, one of ten draws households.
      ...Array.from({ length: 100 }, (_, i) =>
        experiment(5000 + i, workspace, {
          group_id: i % 10 === 1 ? null : groupId(5000 + i),
          unit_definition: i % 10 === 2 ? 'household' : null,
        }),
      ),
      definition(5000, { workspace_id: workspace, id: 'household' }),
      insert('experiment_forced', {
        ...{ experiment_key: 5003, participant_id: 'person-1', variant: 'a' },
      }),
    ])
    for (let from = 0; from < most.length; from += 100)
      await everywhere(workspace, most.slice(from, from + 100), groups).run()
    await write(
      most.map((user_id) =>
        insert('identity_members', {
          ...{ definition_key: 5000, user_id, value: `home of ${user_id}`, joined_at: 0 },
        }),
      ),
    )
  })

  it('reads at most twelve rows for one participant, whatever else exists', async () => {
    for (const key of [5000, 5001, 5002, 5003])
      for (const person of ['person-1', 'nobody']) {
        const id = `experiment-${key}`
        const one = await cost((db) => getAssignment(db, workspace, id, person))
        expect(one).toMatchObject({ statements: 1, rowsWritten: 0 })
        expect(one.rowsRead).toBeLessThanOrEqual(12)
        const flag = await cost((db) => getFlag(db, workspace, spelled(id), person))
        expect(flag.statements).toBe(2)
        expect(flag.rowsRead).toBeLessThanOrEqual(12)
      }
  })

  it('asks no more for the flag of a group than before there were experiments', async () => {
    const key = groupId(5000)
    const flag = await cost((db) => getFlag(db, workspace, spelled(key), 'person-1'))
    expect(flag.statements).toBe(1)
    expect(flag.rowsRead).toBeLessThanOrEqual(5)
    const name = await cost((db) => getFlag(db, workspace, spelled('group 5000'), 'person-1'))
    expect(name.statements).toBe(1)
    expect(name.rowsRead).toBeLessThanOrEqual(5)
  })

  it('reads two rows for each participant and experiment of many, and no other group', async () => {
    const constant = 800
    for (const [count, experiments] of [
      [1000, 100],
      [1000, 10],
      [50, 100],
      [1, 1],
    ] as const) {
      const ids = Array.from({ length: experiments }, (_, i) => `experiment-${5000 + i}`)
      const { rowsRead, statements } = await cost((db) =>
        findAssignments(db, workspace, people(count), ids),
      )
      expect(statements).toBe(3)
      // And of each participant its household.
      expect(rowsRead).toBeLessThanOrEqual(2 * count * (experiments + 1) + constant)
    }
  })

  it('answers for a thousand in a hundred, and lets others in meanwhile', async () => {
    let longest = 0
    let last = Infinity
    const beat = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
    }
    const batch = async (all: D1PreparedStatement[]) => {
      const results = await homeDb.batch(all)
      last = performance.now()
      return results
    }
    // What `together` calls is there.
    const d1 = { prepare: (query: string) => homeDb.prepare(query), batch } as unknown as D1Database
    const db = connect(d1, { statements: 0, rowsRead: 0, rowsWritten: 0 })
    const heart = setInterval(beat, 1)
    const { assignments, experiments } = await findAssignments(db, workspace, most, undefined)
    beat()
    clearInterval(heart)
    expect(experiments.length).toBe(100)
    expect(assignments.length).toBe(1000)
    for (const { assigned } of assignments)
      expect(assigned.every(({ variant }) => variant !== undefined)).toBe(true)
    expect(longest).toBeLessThan(1000)
  })

  it('refuses to answer of more than a hundred that nobody has named', async () => {
    await experiment(5100, workspace, { status: 'ended' }).run()
    const { db } = watched()
    await expect(findAssignments(db, workspace, ['ann'], undefined)).rejects.toMatchObject({
      facts: { reason: 'invalid', field: 'experiment_ids' },
    })
    await homeDb.prepare('DELETE FROM experiments WHERE key = 5100').run()
  })
})

describe('the plan of an assignment', () => {
  const ofExperiment = 'SEARCH e USING INDEX experiments_by_id (workspace_id=? AND id=?)'
  const ofExperiments = 'SEARCH e USING INDEX experiments_by_id (workspace_id=?)'
  const known = [
    'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?) LEFT-JOIN',
    'SEARCH f USING PRIMARY KEY (experiment_key=? AND participant_id=?) LEFT-JOIN',
    'SEARCH m USING PRIMARY KEY (workspace_id=? AND participant_id=? AND group_key=?)',
    'SEARCH d USING INDEX group_definitions_by_id (workspace_id=? AND id=?)',
    'SEARCH i USING PRIMARY KEY (definition_key=? AND user_id=?)',
  ]

  it.each<[what: string, read: (db: Db) => Promise<unknown>, seeks: string[]]>([
    ['one', (db) => getAssignment(db, 1, 'checkout', 'ann'), [ofExperiment, ...known]],
    ['all of a participant', (db) => listFlags(db, 1, 'ann'), [ofExperiments, ...known]],
  ])('seeks in indexes, walks through no table and sorts nothing: %s', async (_, read, seeks) => {
    const plans = await plansOf((db) => read(db).catch(() => undefined))
    const plan = plans.at(-1)?.plan ?? []
    expect(plan.filter((step) => step.startsWith('SEARCH'))).toEqual(seeks)
    expect(plan.filter((step) => /^SCAN|TEMP B-TREE/.test(step))).toEqual([])
  })

  it('of many walks through nothing but who was asked for, whatever is named', async () => {
    for (const ids of [undefined, ['one', 'two']]) {
      const plans = await plansOf((db) =>
        findAssignments(db, 1, ['ann'], ids).catch(() => undefined),
      )
      expect(plans.length).toBe(3)
      const steps = plans.flatMap(({ plan }) => plan)
      for (const seek of [ids === undefined ? ofExperiments : ofExperiment, ...known.slice(1)])
        expect(steps).toContain(seek)
      const walks = steps.filter((step) => step.startsWith('SCAN'))
      expect(walks.filter((step) => !/VIRTUAL TABLE|^SCAN e$/.test(step))).toEqual([])
      expect(steps.filter((step) => step.includes('TEMP B-TREE'))).toEqual([])
    }
  })
})
