import { asc, desc, eq, sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { jobProblems, jobs, problems } from '../db/schema.ts'
import { guardOf, type Checkpoint } from './checkpoint.ts'
import type { FileJob, Job } from './job.ts'
import type { Paging } from './jobs.ts'
import { fileProblemOf } from './outcome.ts'
import type { Problem } from './problem.ts'

/** Problems stored of one job; more are only counted. */
export const problemsMax = 10_000

export type ProblemField = 'line' | 'problem'

/** What is wrong with a row, and the beginning of its text; line 0 is the whole file. */
export interface JobProblem {
  line: number
  problem: Problem
  value: string | null
}

/** One page of a job's problems; `ranks` has all kinds in the order of their sentences. */
export async function listProblems(
  db: Db,
  job: Pick<Job, 'key' | 'badRows' | 'state' | 'failure'>,
  { page, size, sort }: Paging<ProblemField>,
  ranks: readonly Problem[] = problems,
): Promise<{ items: JobProblem[]; total: number }> {
  const order = sort.descending ? desc : asc
  const rank = sql`instr(${ranks.join()}, ${jobProblems.problem})`
  const { line, problem, value } = jobProblems
  const items = await db
    .select({ line, problem, value })
    .from(jobProblems)
    .where(eq(jobProblems.job, job.key))
    .orderBy(order(sort.field === 'problem' ? rank : line), asc(line))
    .limit(size)
    .offset(page * size)
  const ofWholeFile = fileProblemOf(job) === undefined ? 0 : 1
  return { items, total: Math.min(job.badRows, problemsMax) + ofWholeFile }
}

/** The statement that records why a job fails, unless refused rows show it. */
export function recordFileProblem(
  job: Checkpoint & Pick<Job, 'badRows'> & Partial<Pick<FileJob, 'format'>>,
  failure: NonNullable<Job['failure']>,
): SQL[] {
  const problem = fileProblemOf({ ...job, state: 'failed', failure })
  if (problem === undefined) return []
  const guard = guardOf(jobs, job)
  const value = failure === 'not-text' ? `byte ${job.format?.nulAt}` : null
  return [
    sql`
    INSERT INTO job_problems (job_key, line, problem, value)
    SELECT ${job.key}, 0, ${problem}, ${value} WHERE ${guard} ON CONFLICT DO NOTHING`,
  ]
}
