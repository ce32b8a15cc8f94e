import { describe, expect, it } from 'vitest'
import { createDefinition } from '../../src/identity/definitions.ts'
import { requestRecompute, runRecompute } from '../../src/identity/recompute.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { logged } from '../support/log.ts'
import { writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

/** Spellings of one value: each bit of a number is the case of a letter. */
const spelling = (n: number) =>
  [...'northern territory of lakes']
    .map((letter, i) => (((n >> i) & 1) === 1 ? letter.toUpperCase() : letter))
    .join('')

const idOf = (n: number) => `user-${String(n).padStart(7, '0')}`

const log = logged()

/** A run to come of a definition whose users all share one value. */
async function settled(count: number) {
  const workspace = newWorkspace()
  const { res } = hazardous()
  for (let from = 0; from < count; from += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, count - from) }, (_, i) => [
      idOf(((from + i) * 7919) % count),
      spelling(from + i),
    ])
    const list = JSON.stringify(rows)
    await homeDb.batch([
      homeDb
        .prepare(
          `INSERT INTO users (workspace_id, user_id, created_at)
        SELECT ?, value ->> 0, 1 FROM json_each(?)`,
        )
        .bind(workspace, list),
      homeDb
        .prepare(
          `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
        SELECT ?, value ->> 0, 'region', value ->> 1, 'string', 1 FROM json_each(?)`,
        )
        .bind(workspace, list),
    ])
  }
  const draft = {
    description: '',
    source: 'region',
    attributes: [],
    matching: 'normalized' as const,
  }
  await createDefinition(res, workspace, 'region', { draft, by: 'tester' })
  const { key } = await requestRecompute(res, workspace, 'region')
  return { res, workspace, key }
}

async function seatsOf(workspace: number): Promise<string[]> {
  const { results } = await homeDb
    .prepare(
      `SELECT s.user_id FROM identity_members AS s JOIN group_definitions AS d
      ON d.key = s.definition_key WHERE d.workspace_id = ? ORDER BY s.user_id`,
    )
    .bind(workspace)
    .all<{ user_id: string }>()
  return results.map(({ user_id }) => user_id)
}

describe('a value of thousands of spellings', () => {
  it('gives its seats by user id, and is never read all at once', async () => {
    const { res, workspace, key } = await settled(60_000)
    await runRecompute(res, { workspace, run: key })
    const steps = log.events('recompute-step')
    expect(steps.at(-2)).toMatchObject({ status: 'running', users: 60_000 })
    expect(steps.at(-2)?.['rowsRead']).toBeLessThan(1000)
    const run = homeDb.prepare('SELECT * FROM recompute_runs WHERE key = ?').bind(key)
    expect(await run.first()).toMatchObject({ state: 'successful', seated: 10, over_limit: 59_990 })
    expect(await seatsOf(workspace)).toEqual(Array.from({ length: 10 }, (_, i) => idOf(i)))
  })

  it('keeps members, and fills what lists and the departed leave', async () => {
    const { workspace, key } = await settled(3000)
    const run = async (seats: number, next: number) => {
      const { res } = hazardous({ USERS_PER_STEP: 100, GROUP_USERS_MAX: seats })
      await runRecompute(res, { workspace, run: next })
      return seatsOf(workspace)
    }
    const { res } = hazardous()
    const again = async () => (await requestRecompute(res, workspace, 'region')).key
    const ids = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => idOf(from + i))
    await homeDb
      .prepare(`UPDATE user_attributes SET type = 'list' WHERE workspace_id = ? AND user_id < ?`)
      .bind(workspace, idOf(100))
      .run()
    expect(await run(40, key)).toEqual(ids(100, 140))
    expect(await run(10, await again())).toEqual(ids(100, 110))
    await writeUsers(
      res,
      workspace,
      ids(103, 108).map((id) => [id, { region: 'the south' }]),
      2,
    )
    await writeUsers(res, workspace, [[idOf(5), { region: spelling(7) }]], 2)
    const filled = [...ids(100, 103), ...ids(108, 110), idOf(5), ...ids(110, 114)].sort()
    const south = ids(103, 108)
    expect(await run(10, await again())).toEqual([...filled, ...south].sort())
  })
})
