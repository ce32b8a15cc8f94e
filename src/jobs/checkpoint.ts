import { sql, type SQL, type SQLWrapper } from 'drizzle-orm'
import { together, type Db, type Result } from '../db/connect.ts'
import type { jobs, recomputeRuns } from '../db/schema.ts'
import type { Resources } from '../resources.ts'

/** A row of work that goes on step by step: every change of it raises its step. */
export interface Checkpoint {
  key: number
  step: number
}

/** Whether the work is where it was read: the condition of every statement that is made for it. */
export function guardOf(work: typeof jobs | typeof recomputeRuns, { key, step }: Checkpoint): SQL {
  // SQLite would make a join of EXISTS, and look at the checkpoint again for each row.
  return sql`(SELECT step FROM ${work} WHERE key = ${key}) = ${step}`
}

/**
 * Runs the statements of one step as one batch, the one that moves the checkpoint last; logs `facts` beside what the step cost; and
 * tells whether the work was still where it was read, how long the database took, in milliseconds, and what each statement gave.
 */
export async function commit(
  db: Db,
  facts: { event: string; workspace: number; step: number; status: string } & Record<
    string,
    unknown
  >,
  statements: SQLWrapper[],
): Promise<{ moved: boolean; ms: number; results: Result[] }> {
  // Lets other requests in: where Worker and database share a thread, as locally, a chain of queries would keep it to itself.
  await scheduler.wait(1)
  const results = await together(db, statements)
  const sum = (figure: 'duration' | 'rows_read' | 'rows_written') =>
    results.reduce((total, { meta }) => total + meta[figure], 0)
  const ms = sum('duration')
  const moved = results.at(-1)?.changes === 1
  console.info(
    JSON.stringify({
      ...facts,
      moved,
      ms,
      rowsRead: sum('rows_read'),
      rowsWritten: sum('rows_written'),
    }),
  )
  return { moved, ms, results }
}

/** An invocation hands the rest of its work to another message after so many milliseconds, and before D1's 1,000 statements an invocation. */
const invocationTime = 20_000
const invocationStatements = 900

/** Tells, from now on, whether the invocation has gone on for long enough. */
export function beginInvocation(res: Resources): () => boolean {
  const until = res.now() + invocationTime
  return () => res.now() > until || res.meter.statements > invocationStatements
}
