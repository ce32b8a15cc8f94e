import { sql, type SQL } from 'drizzle-orm'
import type { Db } from './db/connect.ts'
import { countGroups, countMembers } from './experience/groups.ts'
import { countExposures } from './experiments/exposure-counts.ts'
import { countUsers } from './identity/limits.ts'
import { countUnendedOf, waitingBytes } from './jobs/jobs.ts'
import type { Limits } from './limits.ts'

/** What a workspace has, and may have; null for what is limited for each user, which is not summed up. */
export type Usage = Record<string, { used: number | null; cap: number }>

const ofWorkspace = {
  groups: 'groupsMax',
  members: 'membersMax',
  users: 'usersMax',
  definitions: 'definitionsMax',
  audiences: 'audiencesMax',
  webhooks: 'webhooksMax',
  experiments: 'experimentsMax',
  exposures: 'exposuresMax',
  unended_jobs: 'jobsUnendedMax',
  waiting_bytes: 'waitingBytesMax',
} as const satisfies Record<string, keyof Limits>

const ofUser = {
  user_attributes: 'userAttributesMax',
  profile_bytes: 'profileBytesMax',
} as const satisfies Record<string, keyof Limits>

const rowsOf = (table: SQL, workspace: number) =>
  sql`(SELECT count(*) FROM ${table} WHERE workspace_id = ${workspace})`

/** Each figure of a workspace beside its limit. Reads its groups and jobs, which are limited too. */
export async function findUsage(db: Db, workspace: number, limits: Limits): Promise<Usage> {
  const [used] = await db.all<Record<keyof typeof ofWorkspace, number>>(sql`
    SELECT ${countGroups(workspace, Number.MAX_SAFE_INTEGER)} AS groups,
      ${countMembers(workspace)} AS members, ${countUsers(workspace)} AS users,
      (SELECT count(*) FROM group_definitions
        WHERE workspace_id = ${workspace} AND deleted_at IS NULL) AS definitions,
      ${rowsOf(sql`audiences`, workspace)} AS audiences,
      ${rowsOf(sql`webhooks`, workspace)} AS webhooks,
      (SELECT count(*) FROM experiments
        WHERE workspace_id = ${workspace} AND deleted_at IS NULL) AS experiments,
      ${countExposures(workspace)} AS exposures,
      ${countUnendedOf(workspace)} AS unended_jobs, ${waitingBytes(workspace)} AS waiting_bytes`)
  if (used === undefined) throw new Error('a count gave no row')
  return {
    ...Object.fromEntries(
      Object.entries(ofWorkspace).map(([figure, limit]) => [
        figure,
        { used: used[figure as keyof typeof ofWorkspace], cap: limits[limit] }, // its key
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(ofUser).map(([figure, limit]) => [figure, { used: null, cap: limits[limit] }]),
    ),
  }
}
