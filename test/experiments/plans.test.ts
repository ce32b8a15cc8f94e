import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { checkRequirements } from '../../src/experiments/requirements.ts'
import { checkNoExperiment, checkUnusedByExperiments, isNoGroupName } from '../../src/db/uses.ts'
import type { Db } from '../../src/db/connect.ts'
import { plansOf } from '../support/plans.ts'

const ground = {
  ...{ id: 'one', group: 'none', unit: 'none', layer: { id: 'page', from: 0, to: 1 } },
  holdout: { id: 'h1', share: 1 },
}

const reads: [string, (db: Db) => Promise<unknown>][] = [
  ['the ground of an experiment', (db) => checkRequirements(db, 1, ground).catch(() => {})],
  ['who uses a group', (db) => checkUnusedByExperiments(db, 1, 'group', 'x')],
  ['who uses a definition', (db) => checkUnusedByExperiments(db, 1, 'definition', 'x')],
  ['whether an id is free', (db) => checkNoExperiment(db, 1, 'x')],
  ['whether a name is free', (db) => db.all(sql`SELECT ${isNoGroupName(1, 'x')}`)],
]

describe('what guards of experiments read', () => {
  it.each(reads)('is found by indexes of the workspace (%s)', async (_, read) => {
    const steps = (await plansOf(read)).flatMap(({ plan }) => plan)
    const found = steps.filter((step) => /SEARCH|SCAN/.test(step) && !/CONSTANT ROW/.test(step))
    expect(found.length).toBeGreaterThan(0)
    for (const step of found) expect(step).toMatch(/^SEARCH .* INDEX \w+ \(workspace_id=\?/)
  })
})
