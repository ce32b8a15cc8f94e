import { eq, sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { erasurePeople } from '../db/schema.ts'
import { failedToRemove, openRemovals } from '../experience/erased-people.ts'
import { carryOn } from '../jobs/carry-on.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { hasNoEarlierJob, startNext } from '../jobs/turn.ts'
import type { Resources } from '../resources.ts'
import { eraseAnswers } from './answers.ts'
import { findErasure, type Erasing, type Erasure } from './erasures.ts'
import { eraseFiles } from './files.ts'
import { eraseFromJobs } from './jobs.ts'
import { complete } from './receipt.ts'
import { eraseRows } from './rows.ts'
import { eraseFromRuns } from './runs.ts'

/** Carries an erasure on, part by part. */
export function runErasure(res: Resources, workspace: number, key: number): Promise<void> {
  const db = res.databaseOf(workspace)
  return carryOn(res, {
    message: { kind: 'erase-people', workspace, erasure: key },
    find: () => findErasure(db, workspace, key),
    hasEnded: ({ endedAt }) => endedAt !== null,
    step: async (erasure, invocation) => step(res, await withIds(db, erasure), invocation),
    afterwards: () => Promise.resolve(),
  })
}

async function withIds(db: Db, erasure: Erasure): Promise<Erasing> {
  const { key, place } = erasure
  if (place === null) throw new Error(`the erasure ${erasure.id} was not requested as a whole`)
  const rows = await db
    .select({ person: erasurePeople.person })
    .from(erasurePeople)
    .where(eq(erasurePeople.erasure, key))
  return { ...erasure, place, ids: rows.map(({ person }) => person) }
}

/** Takes the erasure one step further. False: it must wait, or someone else moved it. */
async function step(res: Resources, erasing: Erasing, invocation: Invocation): Promise<boolean> {
  switch (erasing.state) {
    case 'waiting':
      return waitForJobs(res, erasing)
    case 'rows':
      return eraseRows(res, erasing)
    case 'jobs':
      return eraseFromJobs(res, erasing, invocation)
    case 'runs':
      return eraseFromRuns(res, erasing, invocation)
    case 'answers':
      return eraseAnswers(res, erasing, invocation)
    case 'files':
      return eraseFiles(res, erasing)
    case 'receipt':
      return complete(res, erasing)
    case 'complete':
      return false
  }
}

/** Waits for earlier jobs and its own, and opens again those of its own that failed. */
async function waitForJobs(res: Resources, erasing: Erasing): Promise<boolean> {
  const { key, step, id, workspace, people, actor } = erasing
  const requester = { createdBy: actor?.name ?? '', actor: actor ?? { name: '' } }
  const hasWaited = sql`(
    SELECT ${hasNoEarlierJob(workspace)} FROM erasures WHERE key = ${key} AND step = ${step}) = 1`
  const opens = openRemovals(
    { workspace, erasure: sql`${key}`, id, people, requester },
    sql`${failedToRemove(sql`${key}`)} AND ${hasWaited}`,
    res.now(),
  )
  const [opened, moved] = await together(res.databaseOf(workspace), [
    opens,
    sql`
    UPDATE erasures SET state = iif(changes() > 0, 'waiting', 'rows'), step = step + 1,
      place = json_set(place, '$.jobs',
        iif(changes() > 0, (SELECT max(key) FROM jobs), place ->> 'jobs')),
      updated_at = ${res.now()}
    WHERE key = ${key} AND ${hasWaited}`,
  ])
  if (opened.rows.length > 0) await startNext(res, workspace)
  return moved.changes > 0
}
