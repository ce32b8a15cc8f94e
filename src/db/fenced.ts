import { sql, type SQL } from 'drizzle-orm'

const fenced = sql`(SELECT workspace_id FROM fenced)`

/** Whether nobody may change a workspace's rows here: they are a copy, or are being moved. */
export const isFenced = (workspace: SQL): SQL => sql`${workspace} IN ${fenced}`

/**
 * Whether the workspace lives here: a condition of what walks them all. Where no workspace is fenced,
 * which is nearly always, no row is looked up.
 */
export const livesHere = (workspace: SQL = sql`workspace_id`): SQL =>
  sql`((SELECT workspace_id FROM fenced LIMIT 1) IS NULL OR ${workspace} NOT IN ${fenced})`
