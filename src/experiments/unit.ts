import { sql, type SQL } from 'drizzle-orm'
import type { Columns } from '../membership/export.ts'

const definitionOf = (workspace: number, unit: string): SQL => sql`(
  SELECT d.key FROM group_definitions AS d
  WHERE d.workspace_id = ${workspace} AND d.id = ${unit} AND d.deleted_at IS NULL)`

/** The column of the household of a member `m`; undefined where participants are drawn. */
export const householdColumn = (workspace: number, unit: string | null): Columns | undefined =>
  unit === null
    ? undefined
    : () => sql`(
    SELECT h.value FROM identity_members AS h
    WHERE h.definition_key = ${definitionOf(workspace, unit)}
      AND h.user_id = m.participant_id) AS household`

/** What of a member decides whether the split draws it. */
export interface DrawnMember {
  /** 1 where a variant is forced. */
  forced: number
  /** Undefined where participants are drawn. */
  household?: string | null
  /** 1 where its household is drawn with an earlier member. */
  again?: number
}

const isForced = (experiment: number, participant: SQL): SQL => sql`EXISTS (
  SELECT 1 FROM experiment_forced AS f
  WHERE f.experiment_key = ${experiment} AND f.participant_id = ${participant})`

/** Columns of `DrawnMember`, of a member `m`. A household is drawn with its first member who is not forced. */
export function drawnColumns(
  workspace: number,
  { key, unit }: { key: number; unit: string | null },
): Columns {
  const forced = sql`${isForced(key, sql`m.participant_id`)} AS forced`
  const household = householdColumn(workspace, unit)
  if (unit === null || household === undefined) return () => forced
  return (revision) => sql`${forced}, ${household(revision)}, EXISTS (
    SELECT 1 FROM identity_members AS h
      CROSS JOIN identity_members AS o ON o.definition_key = h.definition_key
        AND o.value = h.value AND o.user_id < h.user_id
      CROSS JOIN members AS om ON om.workspace_id = ${workspace}
        AND om.participant_id = o.user_id AND om.group_key = m.group_key
    WHERE h.definition_key = ${definitionOf(workspace, unit)} AND h.user_id = m.participant_id
      AND om.added_rev <= ${revision} AND (om.removed_rev IS NULL OR om.removed_rev > ${revision})
      AND NOT ${isForced(key, sql`o.user_id`)}) AS again`
}
