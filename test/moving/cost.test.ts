import { env } from 'cloudflare:workers'
import { beforeAll, expect, it } from 'vitest'
import type { Meter } from '../../src/db/connect.ts'
import { runMove } from '../../src/moving/run.ts'
import { insert } from '../support/rows.ts'
import { emptyTables } from '../support/store.ts'
import { installation, moveOf, prepareShards } from './scene.ts'

const [own, other] = [1, 2]
const members = 5000

const numbers = (most: number) =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${most})`

const seat = (workspace: number, most: number) =>
  env.DB.prepare(
    `${numbers(most)} INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
      SELECT ?1, 'p' || i, ?1, 1, 1 FROM n`,
  ).bind(workspace)

beforeAll(async () => {
  await prepareShards()
  await emptyTables()
  await env.DB.batch([
    ...[own, other].map((workspace_id) =>
      insert('clients', {
        ...{ id: `client ${workspace_id}`, workspace_id, name: '', scopes: '[]' },
        ...{ secret_hash: '', created_at: 1 },
      }),
    ),
    seat(own, members),
    seat(other, 4 * members),
  ])
})

/** What a move takes until it is in a state. */
async function costUntil(state: string): Promise<Meter> {
  const one = installation()
  const move = await one.open(own, 1)
  const cost = { statements: 0, rowsRead: 0, rowsWritten: 0 }
  while ((await moveOf(move))['state'] !== state) {
    const res = one.res()
    await runMove(res, { workspace: own, move: move.key })
    cost.statements += res.meter.statements
    cost.rowsRead += res.meter.rowsRead
    cost.rowsWritten += res.meter.rowsWritten
    one.pass(state === 'complete' ? 86_400_000 : 10_000)
  }
  return cost
}

it('reads each row five times and writes it as an ADD does, whoever is beside', async () => {
  const { statements, rowsRead, rowsWritten } = await costUntil('moved')
  expect(rowsRead / members).toBeLessThan(5)
  expect(rowsWritten / members).toBeLessThan(2.3)
  expect(statements).toBeLessThan(600)
})

it('has each write meanwhile cost three rows more, and others’ none', async () => {
  const one = installation()
  const move = await one.open(other, 2)
  await one.run(move)
  const cost = async (workspace: number) => {
    const update =
      "UPDATE members SET seen_rev = seen_rev + 1 WHERE workspace_id = ? AND participant_id = 'p7'"
    return (await env.DB.prepare(update).bind(workspace).run()).meta.rows_written
  }
  await seat(3, 10).run()
  expect([await cost(3), await cost(other)]).toEqual([1, 1 + 3])
})
