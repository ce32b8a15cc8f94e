import { sql } from 'drizzle-orm'
import { firstUpTo } from '../jobs/batch-size.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { problemsMax } from '../jobs/job-problems.ts'
import { lettersOf } from '../jobs/header.ts'
import type { Resources } from '../resources.ts'
import { commitErasure, countRemoved, goOnAfter, unmoved, type Erasing } from './erasures.ts'
import { findMentioning, mentionsOf } from './mentions.ts'

const jobsPerStep = 200
const problemsPerStep = 10_000

/** A job that has ended, with the columns that may have ids of people. */
interface EndedJob {
  key: number
  at: number
  badRows: number
  fileName: string
  cursor: string
  /** Of its column of ids: in a file without a header it may be an id. */
  header: string
}

/** Takes people out of refused rows, file names and checkpoints of the next jobs. */
export async function eraseFromJobs(
  res: Resources,
  erasing: Erasing,
  invocation: Invocation,
): Promise<boolean> {
  const { workspace, key, place, ids } = erasing
  const db = res.databaseOf(workspace)
  const { at, key: after } = place.after ?? { at: 0, key: 0 }
  const page = await db.all<EndedJob>(sql`
    SELECT key, created_at AS at, bad_rows AS badRows, file_name AS fileName,
      coalesce(cursor, '') AS cursor, coalesce(format ->> 'name', '') AS header
    FROM jobs INDEXED BY jobs_by_time
    WHERE workspace_id = ${workspace} AND (created_at, key) > (${at}, ${after})
      AND key <= ${place.jobs}
    ORDER BY created_at, key LIMIT ${jobsPerStep}`)
  const rowsOf = ({ badRows }: EndedJob) => Math.min(badRows, problemsMax) + 1
  const some = firstUpTo(page, rowsOf, problemsPerStep)
  const mentions = mentionsOf(ids)
  const problems = await db.all<{ job: number; line: number; value: string }>(sql`
    SELECT job_key AS job, line, value FROM job_problems
    WHERE value IS NOT NULL
      AND job_key IN (SELECT value FROM json_each(${JSON.stringify(some.map(({ key }) => key))}))`)
  const found = await invocation.runYielding(
    findMentioning(problems, ({ value }) => mentions(value)),
  )
  const headers = new Set(ids.map(lettersOf))
  const mentioning = (column: 'fileName' | 'cursor') => some.filter((job) => mentions(job[column]))
  const guard = unmoved(erasing)
  const among = (rows: { key: number }[]) =>
    sql`key IN (SELECT value FROM json_each(${JSON.stringify(rows.map(({ key }) => key))}))`
  const statements = [
    sql`
    UPDATE job_problems SET value = NULL WHERE ${guard} AND (job_key, line) IN (
      SELECT value ->> 0, value ->> 1
      FROM json_each(${JSON.stringify(found.map(({ job, line }) => [job, line]))}))`,
    countRemoved(sql`${key}`, 'refused_rows', guard),
    sql`UPDATE jobs SET file_name = 'erased' WHERE ${guard} AND ${among(mentioning('fileName'))}`,
    countRemoved(sql`${key}`, 'file_names', guard),
    sql`UPDATE jobs SET cursor = '' WHERE ${guard} AND ${among(mentioning('cursor'))}`,
    sql`UPDATE jobs SET format = json_set(format, '$.name', '') WHERE ${guard}
      AND ${among(some.filter(({ header }) => headers.has(header)))}`,
  ]
  const last = some.at(-1)
  const to = goOnAfter(erasing, last && { at: last.at, key: last.key }, 'runs')
  const { moved, ms } = await commitErasure(res, erasing, statements, to)
  await invocation.took(ms, 0)
  return moved
}
