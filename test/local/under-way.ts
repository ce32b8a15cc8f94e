import type { DatabaseSync } from 'node:sqlite'
import { withDatabase } from './version.ts'

/** Work that has not ended: what it is, and where it stands. */
interface UnderWay {
  name: string
  state: string
  step: number
}

const unended = `
  SELECT iif(j.audience_id IS NOT NULL, 'sync', j.type) || ' ' || coalesce(g.name, 'users') AS name,
    j.state, j.step
  FROM jobs AS j LEFT JOIN experience_groups AS g ON g.key = j.group_key WHERE j.ended_at IS NULL
  UNION ALL
  SELECT 'recompute', state, step FROM recompute_runs WHERE ended_at IS NULL
  UNION ALL
  SELECT 'delivery', state, attempts FROM deliveries WHERE state = 'pending'`

/** Unended work of a stopped server, made old enough for a cron to find it. */
export function leave(stateDir: string): UnderWay[] {
  return withDatabase(stateDir, (database) => {
    const rows = database.prepare(unended).all() as unknown as UnderWay[] // the columns selected
    database.exec(`
      UPDATE jobs SET updated_at = updated_at - 700000 WHERE ended_at IS NULL;
      UPDATE recompute_runs SET updated_at = updated_at - 700000 WHERE ended_at IS NULL;
      UPDATE deliveries SET next_attempt_at = 0 WHERE state = 'pending';
      UPDATE webhooks SET busy_until = NULL`)
    return rows
  })
}

/** A job fails for good, as a dead letter leaves it in any version. */
export const giveUp = (stateDir: string, jobId: string) =>
  withDatabase(stateDir, (database) => {
    const { changes } = database
      .prepare(
        `UPDATE jobs SET state = 'undoing', failure = 'gave-up', cursor = '', applied = 0, step = step + 1
         WHERE id = ? AND ended_at IS NULL`,
      )
      .run(jobId)
    if (changes !== 1) throw new Error('The job that was to be given up has ended')
  })

/** The members of each group by its name, as its live revision says. */
export const membersOf = (stateDir: string): Record<string, string[]> =>
  withDatabase(stateDir, (database) => {
    const members: Record<string, string[]> = {}
    for (const { name, id } of allMembers(database)) (members[name] ??= []).push(id)
    return members
  })

const allMembers = (database: DatabaseSync) =>
  database
    .prepare(
      `SELECT g.name, m.participant_id AS id FROM experience_groups AS g JOIN members AS m ON m.group_key = g.key
       WHERE m.added_rev <= g.revision AND (m.removed_rev IS NULL OR m.removed_rev > g.revision)
       ORDER BY m.participant_id`,
    )
    .all() as { name: string; id: string }[] // the columns selected

/** How many of each kind there are in the end. */
export const countsOf = (stateDir: string): Record<string, unknown> =>
  withDatabase(stateDir, (database) => {
    const counts = `
      SELECT (SELECT count(*) FROM jobs WHERE ended_at IS NULL) AS jobsUnended,
        (SELECT count(*) FROM jobs WHERE state NOT IN ('successful', 'failed')) AS jobsOtherwise,
        (SELECT count(*) FROM jobs WHERE state = 'failed') AS jobsFailed,
        (SELECT count(*) FROM recompute_runs WHERE state <> 'successful') AS runsUnsuccessful,
        (SELECT count(*) FROM deliveries WHERE state <> 'delivered') AS undelivered,
        (SELECT count(*) FROM users) AS users,
        (SELECT count(*) FROM user_attributes WHERE name LIKE 'mark%' AND value = 'yes') AS marks,
        (SELECT count(*) FROM identity_members) AS seated,
        (SELECT count(DISTINCT value) FROM identity_members) AS households,
        (SELECT count(*) FROM group_attributes WHERE result IS NOT NULL) AS shared`
    return { ...database.prepare(counts).get() }
  })
