import { bold } from './colour.ts'
import { Moves } from './moves.ts'
import { number, since, type Stage } from './stage.ts'

/** Chapter: of an installation with several databases, the workspace is moved to another, and all goes on. */
export async function moved({ url, adminToken, groups, group, expect }: Stage): Promise<void> {
  console.log(bold('Move the workspace to another database, while it is used'))
  const start = performance.now()
  const members = await groups.participantCount(group)
  const moves = new Moves(url, adminToken)
  await moves.begin(1, 'DB_1')
  const { status, from, to, rows_copied, paused_ms } = await moves.ended(1)
  console.log(
    `   ${number.format(rows_copied)} rows from ${from} to ${to} after ${since(start)}; writers waited for ${paused_ms} ms.`,
  )
  expect.compare('the move', { status }, { status: 'MOVED' })
  const participants = await groups.participantCount(group)
  expect.compare('the moved group', { participants }, { participants: members })
}
