import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runErasure } from '../../src/erasure/run.ts'
import { erasePerson } from '../../src/erasure/request.ts'
import { getMemberAt } from '../../src/experience/as-of.ts'
import { membersOf } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { deeds, everybody, groupHistory, type Deed } from '../support/group-history.ts'
import { runs } from '../support/property.ts'
import { inBytes } from '../support/town.ts'

const goesOn: Deed = { what: 'goes on', calls: undefined }

const reverts: Deed = { what: 'reverts', mode: 'apply' }
const givenUp: Deed[] = [reverts, { what: 'goes on', calls: 8 }, { what: 'fails for good' }, goesOn]
const previewed = (by: 'publish' | 'cancel'): Deed[] => [
  { what: 'reverts', mode: 'preview' },
  ...[goesOn, goesOn],
  { what: 'decides', by },
]

/** People whom files name only once: once they are erased, they never come back. */
const guests = ['guest-0', 'guest-1', 'guest-2']

type Members = ReadonlySet<string>

/** The same in memory: who is in after a job that went live on `live`, which was `before` before. */
function model({ before, live }: { before: Members; live: Members }, deed: Deed | undefined) {
  if (deed?.what === 'reverts') return before
  if (deed?.what !== 'uploads') return live // a job of an erasure removes guests
  const named = new Set(deed.ids)
  if (deed.type === 'add') return live.union(named)
  return deed.type === 'remove' ? live.difference(named) : named
}

/** Counts what has happened over all runs, as each must. */
const seen = {
  reverted: 0,
  'reverted again': 0,
  overtaken: 0,
  cancelled: 0,
  'gave up': 0,
  erased: 0,
}

describe('a history with reverts', () => {
  it('has members and counts of the model, at the revision before too', async () => {
    const guest = fc.nat(2).map((n) => ({ what: 'erases' as const, guest: guests[n] ?? '' }))
    const deed = fc.oneof(
      { weight: 8, arbitrary: deeds(3) },
      { weight: 1, arbitrary: guest.map((one) => [one]) },
      { weight: 2, arbitrary: fc.constantFrom(previewed('publish'), previewed('cancel')) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { maxLength: 14, size: 'max' }), async (history) => {
        const scene = await groupHistory()
        const { workspace, res, db, group, jobs, asked, does, live } = scene
        const erased = new Set<string>()
        const start: Deed[] = [
          { what: 'uploads', type: 'add', ids: [...everybody.slice(0, 12), ...guests] },
          goesOn,
          { what: 'uploads', type: 'replace', ids: everybody.slice(6, 18) },
          goesOn,
          ...[...previewed('cancel'), goesOn, ...givenUp],
          // The second finds another live.
          ...[reverts, reverts, goesOn, goesOn, reverts],
        ]
        const rest: Deed[] = [goesOn, { what: 'decides', by: 'publish' }, goesOn, goesOn, goesOn]
        const last = { what: 'erases' as const, guest: 'guest-2' }
        for (const one of [...start, ...history.flat(), last, ...rest]) {
          if (one.what === 'erases') {
            await erasePerson(res, workspace, one.guest, 'tester')
            erased.add(one.guest)
          } else await does(one)
          for (const key of await unendedErasures(workspace)) await runErasure(res, workspace, key)

          const at: { before: Members; live: Members } = { before: new Set(), live: new Set() }
          let revisions = [0, 0]
          for (const job of await jobs()) {
            expect(job.failure).not.toBe('not-kept')
            if (job.state !== 'successful' && job.state !== 'partial') continue
            const after = model(at, asked.get(job.key))
            const { added, removed, rows, revision } = job
            const isOfErasure = !asked.has(job.key)
            if (asked.get(job.key)?.what === 'reverts' && erased.size === 0)
              expect({ added, removed, rows }).toEqual({
                added: after.difference(at.live).size,
                removed: at.live.difference(after).size,
                rows: after.size,
              })
            else if (!isOfErasure && erased.size === 0)
              expect(added - removed).toBe(after.size - at.live.size)
            ;[at.before, at.live] = [at.live, after]
            revisions = [revisions[1] ?? 0, revision]
          }
          const isKnown = (id: string) => !erased.has(id)
          const members = await membersOf(workspace, group.id)
          expect(revisions[1]).toBe(await live())
          expect(members.filter(isKnown)).toEqual([...at.live].filter(isKnown).sort(inBytes))
          const row = homeDb.prepare(
            'SELECT participant_count AS n FROM experience_groups WHERE id = ?',
          )
          expect(await row.bind(group.id).first('n')).toBe(members.length)
          for (const participant of ['person-1', 'person-7', 'person-14', 'guest-1'].filter(
            isKnown,
          )) {
            const answer = { participant, revision: revisions[0] ?? 0 }
            expect(await getMemberAt(db, workspace, group.id, answer)).toMatchObject({
              member: at.before.has(participant),
            })
          }
        }
        const unended = (await jobs()).some(({ endedAt }) => endedAt === null)
        const members = await membersOf(workspace, group.id)
        if (!unended) expect(members.filter((id) => erased.has(id))).toEqual([])
        await count(scene, erased)
      }),
      runs(6),
    )
    for (const [what, count] of Object.entries(seen))
      expect([what, count > 0]).toEqual([what, true])
  }, 120_000)
})

async function count(
  { jobs, asked }: Awaited<ReturnType<typeof groupHistory>>,
  erased: ReadonlySet<string>,
) {
  let last: Deed['what'] | undefined
  for (const { key, state, failure } of await jobs()) {
    const what = asked.get(key)?.what
    if (what === 'reverts') {
      if (failure === 'overtaken') seen.overtaken++
      if (failure === 'cancelled') seen.cancelled++
      if (failure === 'gave-up') seen['gave up']++
      if (state === 'successful') seen[last === 'reverts' ? 'reverted again' : 'reverted']++
    }
    if (state === 'successful' || state === 'partial') last = what
  }
  seen.erased += erased.size
}

async function unendedErasures(workspace: number): Promise<number[]> {
  const { results } = await homeDb
    .prepare('SELECT key FROM erasures WHERE workspace_id = ? AND ended_at IS NULL')
    .bind(workspace)
    .all<{ key: number }>()
  return results.map(({ key }) => key)
}
