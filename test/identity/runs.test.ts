import { describe, expect, it } from 'vitest'
import { createDefinition } from '../../src/identity/definitions.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { getRun, listRuns, percentOfRun } from '../../src/identity/runs.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'

let workspaces = 6_100_000

/** A workspace of two definitions. */
async function defined() {
  const workspace = ++workspaces
  const { res } = hazardous({ DEFINITIONS_MAX: 2 })
  const draft = { description: '', source: '$address', attributes: [] }
  const define = (id: string) => createDefinition(res, workspace, id, { draft, by: 'tester' })
  const [own, other] = [await define('own'), await define('other')]
  return { workspace, res, db: res.databaseOf(workspace), own, other }
}

describe('the runs of a definition', () => {
  it('are its own, and no other definition shows them', async () => {
    const { workspace, res, db } = await defined()
    const { id } = await requestRecompute(res, workspace, 'own')
    expect(await getRun(db, workspace, 'own', id)).toMatchObject({ id })
    await expect(getRun(db, workspace, 'other', id)).rejects.toMatchObject({
      facts: { reason: 'not-found', what: 'run' },
    })
    expect(await listRuns(db, workspace, 'other')).toEqual([])
  })

  it('are shown up to the last hundred', async () => {
    const { workspace, db, own } = await defined()
    const ids = Array.from({ length: 101 }, (_, i) => `${workspace} ${i}`)
    await homeDb
      .prepare(
        `INSERT INTO recompute_runs (id, workspace_id, definition_key, state, created_at, updated_at, ended_at)
       SELECT value, ?1, ?2, 'successful', 1, 1, 1 FROM json_each(?3)`,
      )
      .bind(workspace, own.key, JSON.stringify(ids))
      .run()
    const shown = await listRuns(db, workspace, 'own')
    expect(shown.map(({ id }) => id)).toEqual(ids.slice(1).toReversed())
  })
})

describe('the progress of a run', () => {
  const running = { state: 'running' as const, withoutValue: 1 }

  it.each([
    ['whole percent of those that were counted', { scanned: 1, expected: 3 }, 66],
    ['below 100 until it ends, however many come meanwhile', { scanned: 9, expected: 3 }, 99],
    ['a number where nobody was counted', { scanned: -1, expected: 0 }, 0],
  ])('is %s', (_, counts, percent) => {
    expect(percentOfRun({ ...running, ...counts })).toBe(percent)
    expect(percentOfRun({ ...running, ...counts, state: 'successful' })).toBe(100)
  })
})
