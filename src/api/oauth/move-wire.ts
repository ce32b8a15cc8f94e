import { z } from 'zod'
import type { Move, ShownMove as Shown } from '../../moving/moves.ts'
import { WholeNumber } from '../whole-number.ts'

const Database = z
  .string()
  .regex(/^DB(_[1-9]\d{0,3})?$/, 'must be DB, DB_1, DB_2 …')
  .meta({ description: 'The binding of a database.' })

export const shardOf = (database: string): number => Number(database.slice(3))
const nameOf = (shard: number): string => (shard === 0 ? 'DB' : `DB_${shard}`)

export const NewMove = z.object({ workspace_id: z.int().min(1), to: Database })

export const MoveQuery = z.object({ workspace_id: WholeNumber(1, Number.MAX_SAFE_INTEGER) })
export const MoveId = z.object({ move_id: WholeNumber(1, Number.MAX_SAFE_INTEGER) })

const statuses = {
  preparing: 'COPYING',
  copying: 'COPYING',
  closing: 'CLOSING',
  switched: 'MOVED',
  moved: 'MOVED',
  sweeping: 'MOVED',
  complete: 'COMPLETE',
  returning: 'GOING_BACK',
  cancelled: 'CANCELLED',
} as const satisfies Record<Move['state'], string>

export const ShownMove = z.object({
  move_id: z.int(),
  workspace_id: z.int(),
  from: Database,
  to: Database,
  status: z.enum([...new Set(Object.values(statuses))]).meta({
    description:
      'CLOSING: writers wait for a second at most. MOVED: the workspace is where it was to go; ' +
      'a day later what it has left is deleted, and the move is COMPLETE.',
  }),
  rows_copied: z.int(),
  rows_compared: z.int(),
  changes_copied: z.int().meta({ description: 'Rows that changed meanwhile, copied again.' }),
  paused_ms: z.int().nullable().meta({ description: 'For how long writers waited at the end.' }),
  problem: z.string().nullable().meta({ description: 'Why it went back by itself.' }),
  created_on: z.iso.datetime(),
  ended_on: z.iso.datetime().nullable(),
})

export const showMove = (move: Shown): z.infer<typeof ShownMove> => ({
  move_id: move.key,
  workspace_id: move.workspace,
  from: nameOf(move.source),
  to: nameOf(move.target),
  status: statuses[move.state],
  rows_copied: move.copy?.rows ?? move.rows,
  rows_compared: move.copy?.compared ?? move.rows,
  changes_copied: move.copy?.changes ?? move.changes,
  paused_ms: move.paused,
  problem: move.problem,
  created_on: new Date(move.createdAt).toISOString(),
  ended_on: move.endedAt === null ? null : new Date(move.endedAt).toISOString(),
})
