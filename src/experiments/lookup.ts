import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { isMember, storedIdOf } from '../membership/lookup.ts'
import { isTooLong } from '../text.ts'
import {
  columns,
  experimentOf,
  isOf,
  joinGroup,
  type Experiment,
  type ExperimentRow,
} from './experiments.ts'
import { checksOf, type Check } from './explain.ts'
import { assigning, type Assigned, type Candidate } from './split.ts'

/** The variant of a participant, and all that it follows from: of one moment. */
export interface Assignment extends Assigned {
  experiment: Experiment
  candidate: Candidate
  /** The live revision of the experiment's group; null where it has none. */
  revision: number | null
}

export type AssignmentRow = ExperimentRow & {
  revision: number | null
  forced: string | null
  member: number
  household: string | null
}

/** Characters of an id that is hashed. */
const idMax = 1024

/** The id as files have it; empty, which takes part in nothing, where it can be nobody's. */
export function subjectOf(participant: string): string {
  const id = storedIdOf(participant)
  return isTooLong(id, idMax) ? '' : id
}

/** Selects experiments, and what is known of a participant in each; `which` are conditions on `e`. */
export const selectAssignments = (
  workspace: number,
  subject: string,
  which: SQL,
): SQL<AssignmentRow> => sql<AssignmentRow>`
  SELECT ${columns}, g.revision, f.variant AS forced, ${isMember(subject)} AS member,
    (SELECT i.value FROM group_definitions AS d
        CROSS JOIN identity_members AS i ON i.definition_key = d.key AND i.user_id = ${subject}
      WHERE d.workspace_id = e.workspace_id AND d.id = e.unit_definition AND d.deleted_at IS NULL
    ) AS household
  FROM experiments AS e ${joinGroup}
    LEFT JOIN experiment_forced AS f
      ON f.experiment_key = e.key AND f.participant_id = ${subject}
  WHERE ${isOf(workspace)} ${which}`

export function assignmentOf(
  { revision, forced, member, household, ...row }: AssignmentRow,
  subject: string,
): Assignment {
  const experiment = experimentOf(row)
  const key = experiment.unit === null ? subject || null : household
  const candidate = { forced, member: experiment.group === null || member === 1, key }
  return { experiment, candidate, revision, ...assigning(experiment)(candidate) }
}

export const withId = (id: string): SQL => sql`AND e.id = ${id}`

/** The variant of a participant. Throws `not-found`. */
export async function getAssignment(
  db: Db,
  workspace: number,
  id: string,
  participant: string,
): Promise<Assignment> {
  const subject = subjectOf(participant)
  const [row] = await db.all<AssignmentRow>(selectAssignments(workspace, subject, withId(id)))
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'experiment', id })
  return assignmentOf(row, subject)
}

/** The variant of a participant, and each check that it follows from. Throws `not-found`. */
export async function explainAssignment(
  db: Db,
  workspace: number,
  id: string,
  participant: string,
): Promise<Assignment & { checks: Check[] }> {
  const assignment = await getAssignment(db, workspace, id, participant)
  return { ...assignment, checks: checksOf(assignment.experiment, assignment.candidate) }
}
