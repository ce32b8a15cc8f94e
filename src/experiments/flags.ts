import { sql } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import {
  memberOf,
  selectGroupsWithMember,
  selectMember,
  withOwnGroups,
  type Member,
} from '../membership/lookup.ts'
import { canonical, isUuid } from '../text.ts'
import { idPattern } from './experiments.ts'
import { assignmentOf, selectAssignments, subjectOf, withId, type Assignment } from './lookup.ts'

/** What a flag tells of a participant: whether it is in a group, or its variant. */
export type Flag = { group: Member } | { assignment: Assignment }

const isExperimentId = (text: string): boolean => idPattern.test(text) && !isUuid(text)

/** The flag of a key: a group, by its id or name, or else an experiment. Throws `not-found`. */
export async function getFlag(
  db: Db,
  workspace: number,
  flag: { key: string; spellings: readonly string[] },
  participant: string,
): Promise<Flag> {
  const subject = subjectOf(participant)
  const id = flag.spellings.map(canonical).find(isExperimentId)
  const [groups, assignments] = await together(db, [
    selectMember(workspace, flag, participant),
    ...(id === undefined ? [] : [selectAssignments(workspace, subject, withId(id))]),
  ])
  const [group] = groups.rows
  if (group !== undefined) return { group: memberOf(group) }
  const [row] = assignments?.rows ?? []
  if (row !== undefined) return { assignment: assignmentOf(row, subject) }
  throw new Failure({ reason: 'not-found', what: 'flag', id: flag.key })
}

/** Experiments of one answer, where nothing else is asked for. */
const assignmentsMost = 1000

/**
 * The groups of the workspace, as `listGroupsWithMember` lists them, and its experiments by id, with
 * what they tell of a participant.
 */
export async function listFlags(
  db: Db,
  workspace: number,
  participant: string,
): Promise<{ groups: Member[]; assignments: Assignment[] }> {
  const subject = subjectOf(participant)
  const some = sql`ORDER BY e.id LIMIT ${assignmentsMost}`
  const [named, assignments] = await together(db, [
    selectGroupsWithMember(workspace, participant),
    selectAssignments(workspace, subject, some),
  ])
  return {
    groups: await withOwnGroups(db, workspace, participant, named.rows),
    assignments: assignments.rows.map((row) => assignmentOf(row, subject)),
  }
}
