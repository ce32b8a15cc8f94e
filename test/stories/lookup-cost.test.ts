import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import {
  findGroupsOf,
  findMemberships,
  getMember,
  listMembers,
} from '../../src/membership/lookup.ts'
import type { Db } from '../../src/db/connect.ts'
import { homeDb, homeResources } from '../support/databases.ts'

/** Groups of one member and up, written as an upload would have left them. */
async function groups(
  workspace: number,
  count: number,
  members: (i: number) => string[],
): Promise<void> {
  const rows = Array.from({ length: count }, (_, i) => [
    crypto.randomUUID(),
    `group ${i}`,
    members(i),
  ])
  await homeDb.batch([
    homeDb
      .prepare(
        `INSERT INTO experience_groups (id, workspace_id, name, type, platform, created_at,
        updated_at, revision, participant_count)
      SELECT value ->> 0, ?1, value ->> 1, 'EXPERIENCE_GROUP', 'RETAIL_BANKING', 1, 1, 1,
        json_array_length(value, '$[2]') FROM json_each(?2)`,
      )
      .bind(workspace, JSON.stringify(rows)),
    homeDb
      .prepare(
        `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
      SELECT ?1, m.value, g.key, 1, 1 FROM json_each(?2) AS r, json_each(r.value, '$[2]') AS m
        CROSS JOIN experience_groups AS g ON g.workspace_id = ?1 AND g.id = r.value ->> 0`,
      )
      .bind(workspace, JSON.stringify(rows)),
  ])
}

async function cost(read: (db: Db) => Promise<unknown>, workspace: number) {
  const res = homeResources(env)
  await read(res.replicaOf(workspace))
  return res.meter
}

describe('what a look-up costs', () => {
  it('reads no more rows for an id that thousands of workspaces hold', async () => {
    await groups(1, 1, () => ['shared', 'alone'])
    const reads = (id: string) => [
      (db: Db) => findGroupsOf(db, 1, id),
      (db: Db) => getMember(db, 1, { key: 'group 0', spellings: ['group 0'] }, id),
      (db: Db) => findMemberships(db, 1, [id], undefined),
    ]
    const before = await Promise.all(reads('alone').map((read) => cost(read, 1)))
    await homeDb
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
      INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
        SELECT i, 'shared', 100000 + i, 1, 1 FROM n`,
      )
      .run()
    expect(await Promise.all(reads('shared').map((read) => cost(read, 1)))).toEqual(before)
  })

  it('reads two rows for each group of a participant, whatever else exists', async () => {
    await groups(2, 5000, (i) => (i % 25 === 0 ? ['ann', 'bob'] : ['bob']))
    const { rowsRead, statements } = await cost((db) => findGroupsOf(db, 2, 'ann'), 2)
    expect(statements).toBe(1)
    expect(rowsRead).toBeLessThanOrEqual(2 * 200 + 5)
    const many = await cost((db) => findMemberships(db, 2, ['ann', 'nobody'], undefined), 2)
    expect(many.statements).toBe(1)
    expect(many.rowsRead).toBeLessThanOrEqual(2 * 200 + 10)
    expect(
      (await cost((db) => getMember(db, 2, { key: 'group 25', spellings: ['group 25'] }, 'ann'), 2))
        .rowsRead,
    ).toBeLessThanOrEqual(5)
  })

  it('writes nothing, and reads a page of members only to its end', async () => {
    await groups(3, 1, () => Array.from({ length: 1000 }, (_, i) => `person-${i}`))
    const id = String(
      await homeDb.prepare('SELECT id FROM experience_groups WHERE workspace_id = 3').first('id'),
    )
    const { rowsRead, rowsWritten } = await cost(
      (db) => listMembers(db, 3, id, { after: '', size: 10 }),
      3,
    )
    expect(rowsWritten).toBe(0)
    expect(rowsRead).toBeLessThanOrEqual(30)
  })
})
