import { describe, expect, it } from 'vitest'
import { deleteExperiment, eraseExperiment } from '../../src/experiments/erase.ts'
import { isEmpty } from '../support/answers.ts'
import { eventually } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { drafted, halves, Lab } from '../support/experiments.ts'
import { failures, hazardous, unlessCrash } from '../support/hazard.ts'
import { answerAll } from '../support/stale.ts'
import { newWorkspace } from '../support/workspaces.ts'

const tables = ['experiment_forced', 'exposures', 'exposure_counts', 'experiment_balances']

/** Rows of each kind of an experiment, and the experiment itself. */
const rowsOf = async (key: number) => {
  const counts = await homeDb.batch<{ n: number }>([
    ...tables.map((table) =>
      homeDb.prepare(`SELECT count(*) AS n FROM ${table} WHERE experiment_key = ?`).bind(key),
    ),
    homeDb.prepare('SELECT count(*) AS n FROM experiments WHERE key = ?').bind(key),
  ])
  return counts.map(({ results }) => results[0]?.n)
}

const none = [0, 0, 0, 0, 0]

/** An experiment with so many forced ids, and as many exposures. */
async function filled(workspace: number, id: string, rows: number): Promise<number> {
  const { res } = hazardous()
  const { key } = await drafted(res, workspace, id)
  const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)`
  await homeDb.batch(
    [
      `INSERT INTO experiment_forced (experiment_key, participant_id, variant)
        ${numbers} SELECT ?1, 'person-' || i, 'control' FROM n`,
      `INSERT INTO exposures (experiment_key, participant_id, version, variant, at)
        ${numbers} SELECT ?1, 'person-' || i, 1 + i % 2, 'control', i FROM n`,
      `INSERT INTO exposure_counts (experiment_key, version, day, variant, participants)
        ${numbers} SELECT ?1, 1, 'day-' || i, 'control', 1 FROM n WHERE i <= 5`,
      `INSERT INTO experiment_balances (experiment_key, workspace_id, state, updated_at)
        SELECT ?1, 1, 'waiting', ?2`,
    ].map((statement) => homeDb.prepare(statement).bind(key, rows)),
  )
  return key
}

describe('an experiment that is deleted', () => {
  it('is gone with all that was kept of it, by the queue', async () => {
    const lab = await Lab.open()
    const variants = halves.map((half, i) => ({ ...half, forced: [`person-${i}`] }))
    await lab.running('plain', { variants })
    await lab.end('plain')
    const key = await homeDb
      .prepare(`SELECT key FROM experiments WHERE workspace_id = ?`)
      .bind(lab.team.workspace)
      .first<number>('key')
    expect(await rowsOf(Number(key))).toEqual([2, 0, 0, expect.any(Number), 1])
    await isEmpty(lab.send('DELETE', '/plain'), 204)
    await eventually(
      () => rowsOf(Number(key)),
      (left) => left.every((n) => n === 0),
    )
  })

  it('goes in bounded steps, and takes nothing of others', async () => {
    const at = newWorkspace()
    const [gone, stays] = [await filled(at, 'gone', 5000), await filled(at, 'stays', 10)]
    const { res, enqueued } = hazardous()
    await deleteExperiment(res, at, 'gone')
    expect(enqueued).toEqual([{ kind: 'erase-experiment', workspace: at, experiment: gone }])
    const before = { ...res.meter }
    await answerAll(res, enqueued)
    expect(await rowsOf(gone)).toEqual(none)
    expect(await rowsOf(stays)).toEqual([10, 10, 5, 1, 1])
    // Three steps of 2000 rows of each kind, one that finds none, and the end.
    expect(res.meter.statements - before.statements).toBeLessThan(25)
    expect(res.meter.rowsRead - before.rowsRead).toBeLessThan(50_000)
  })

  it('is erased as a whole, wherever an invocation dies, and twice at once', async () => {
    const at = newWorkspace()
    let died = 0
    for (const [i, failure] of [...failures(8)].entries()) {
      const key = await filled(at, `gone-${i}`, 20)
      const { res, fuse } = hazardous()
      await deleteExperiment(res, at, `gone-${i}`)
      fuse({ ...failure })
      await eraseExperiment(res, at, key).catch((error: unknown) => {
        unlessCrash(error)
        died++
      })
      fuse(undefined)
      await Promise.all([eraseExperiment(res, at, key), eraseExperiment(res, at, key)])
      expect(await rowsOf(key)).toEqual(none)
    }
    expect(died).toBeGreaterThan(2)
  })
})
