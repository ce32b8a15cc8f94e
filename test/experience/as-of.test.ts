import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { getMemberAt } from '../../src/experience/as-of.ts'
import { Failure } from '../../src/failure.ts'
import { membersOf } from '../support/api.ts'
import { deeds, everybody, groupHistory, type Deed } from '../support/group-history.ts'
import { plansOf } from '../support/plans.ts'
import { runs } from '../support/property.ts'

const some = everybody.slice(0, 4)

/** Whether each of them was in the group, or why that cannot be told. */
async function told(
  { workspace, db, group }: Awaited<ReturnType<typeof groupHistory>>,
  revision: number,
): Promise<string[] | string> {
  const members: string[] = []
  for (const participant of some) {
    const asked = { participant, revision }
    const answer = await getMemberAt(db, workspace, group.id, asked).catch((error: unknown) => {
      if (error instanceof Failure && error.facts.reason === 'invalid') return error.facts.problem
      throw error
    })
    if (typeof answer === 'string') return answer
    expect(answer.revision).toBe(revision)
    if (answer.member) members.push(participant)
  }
  return members
}

/** Amid the job that adds again who was removed. */
const dies: Deed = { what: 'goes on', calls: 6 }

/** Counts what answers rest on over all runs, as each must occur. */
const answers = { 'of one that was removed': 0, 'of one that is added again': 0 }

describe('a member of the revision before', () => {
  it('is told as it was, whatever happens meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(8), async (history) => {
        const scene = await groupHistory()
        const { workspace, group, jobs, does, live } = scene
        const members = new Map<number, string[]>([[0, []]])
        const start: Deed[] = [
          { what: 'uploads', type: 'add', ids: everybody },
          { what: 'goes on', calls: undefined },
          { what: 'uploads', type: 'remove', ids: ['person-0'] },
          { what: 'goes on', calls: undefined },
          { what: 'uploads', type: 'add', ids: everybody },
        ]
        for (const one of [...start, ...history]) {
          await does(one)
          const at = await live()
          if (!members.has(at))
            members.set(
              at,
              (await membersOf(workspace, group.id)).filter((id) => some.includes(id)),
            )
          expect(await told(scene, at)).toEqual(members.get(at))
          const [, before, ...older] = [...members.keys()].sort((a, b) => b - a)
          for (const revision of [...older.slice(0, 1), at + 1])
            expect(await told(scene, revision)).toContain(`must be the live one, ${at}, or`)
          if (before === undefined) continue
          const was = members.get(before)
          expect(await told(scene, before)).toEqual(was)
          if (!was?.some((id) => !members.get(at)?.includes(id))) continue
          answers['of one that was removed']++
          const later = (await jobs()).filter(({ revision }) => revision > at)
          if (later.some(({ state }) => !['waiting', 'failed', 'cancelled'].includes(state)))
            answers['of one that is added again']++
        }
      }),
      { ...runs(10), examples: [[[dies]]] },
    )
    for (const count of Object.values(answers)) expect(count).toBeGreaterThan(0)
  }, 120_000)

  it('is read by seeks in indexes', async () => {
    const { workspace, group } = await groupHistory()
    const plans = await plansOf((db) =>
      getMemberAt(db, workspace, group.id, { participant: 'ann', revision: 0 }),
    )
    const steps = plans.map(({ plan }) => plan.filter((step) => step.startsWith('SEARCH')))
    const ofGroup = 'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?)'
    expect(steps).toEqual([
      [ofGroup, 'SEARCH m USING PRIMARY KEY (workspace_id=? AND participant_id=? AND group_key=?)'],
      [
        'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?)',
        'SEARCH j USING INDEX jobs_by_group (group_key=? AND revision>? AND revision<?)',
      ],
    ])
    expect(plans.flatMap(({ plan }) => plan).filter((step) => step.includes('B-TREE'))).toEqual([])
  })
})
