import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import {
  isMember,
  memberOf,
  selectGroupsWithMember,
  selectMember,
  storedIdOf,
  withOwnGroups,
  type Member,
} from '../membership/lookup.ts'
import { canonical, isTooLong, isUuid } from '../text.ts'
import { columns, experimentOf, type Experiment, type ExperimentRow } from './experiments.ts'
import { checksOf, type Check } from './explain.ts'
import { assigning, type Assigned, type Candidate } from './split.ts'

/** The arm of a participant, and all that it follows from: of one moment. */
export interface Assignment extends Assigned {
  experiment: Experiment
  candidate: Candidate
  /** The live revision of the experiment's group; null where it has none. */
  revision: number | null
}

type Row = ExperimentRow & {
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

/** The experiment's group `g`, if it has one. */
export const joinGroup = sql`
  LEFT JOIN experience_groups AS g
    ON g.workspace_id = e.workspace_id AND g.id = e.group_id AND g.deleted_at IS NULL`

/** Selects experiments, and what is known of a participant in each; `which` are conditions on `e`. */
const selectCandidates = (workspace: number, subject: string, which: SQL): SQL<Row> => sql<Row>`
  SELECT ${columns}, g.revision, f.variant AS forced, ${isMember(subject)} AS member,
    (SELECT i.value FROM group_definitions AS d
        CROSS JOIN identity_members AS i ON i.definition_key = d.key AND i.user_id = ${subject}
      WHERE d.workspace_id = e.workspace_id AND d.id = e.unit_definition AND d.deleted_at IS NULL
    ) AS household
  FROM experiments AS e ${joinGroup}
    LEFT JOIN experiment_forced AS f
      ON f.experiment_key = e.key AND f.participant_id = ${subject}
  WHERE e.workspace_id = ${workspace} AND e.deleted_at IS NULL ${which}`

function assignmentOf(
  { revision, forced, member, household, ...row }: Row,
  subject: string,
): Assignment {
  const experiment = experimentOf(row)
  const key = experiment.unit === null ? subject || null : household
  const candidate = { forced, member: experiment.group === null || member === 1, key }
  return { experiment, candidate, revision, ...assigning(experiment)(candidate) }
}

const withId = (id: string): SQL => sql`AND e.id = ${id}`

/** The arm of a participant. Throws `not-found`. */
export async function getAssignment(
  db: Db,
  workspace: number,
  id: string,
  participant: string,
): Promise<Assignment> {
  const subject = subjectOf(participant)
  const [row] = await db.all<Row>(selectCandidates(workspace, subject, withId(id)))
  if (row === undefined) throw new Failure({ reason: 'not-found', what: 'experiment', id })
  return assignmentOf(row, subject)
}

/** The arm of a participant, and each check that it follows from. Throws `not-found`. */
export async function explainAssignment(
  db: Db,
  workspace: number,
  id: string,
  participant: string,
): Promise<Assignment & { checks: Check[] }> {
  const assignment = await getAssignment(db, workspace, id, participant)
  return { ...assignment, checks: checksOf(assignment.experiment, assignment.candidate) }
}

/** What a flag tells of a participant: whether it is in a group, or its arm. */
export type Flag = { group: Member } | { assignment: Assignment }

const idPattern = /^[a-z\d_.-]{3,64}$/

export const isExperimentId = (text: string): boolean => idPattern.test(text) && !isUuid(text)

/** The flag of a key: a group, by its id or name, or else an experiment. Throws `not-found`. */
export async function getFlag(
  db: Db,
  workspace: number,
  flag: { key: string; spellings: readonly string[] },
  participant: string,
): Promise<Flag> {
  const subject = subjectOf(participant)
  const id = flag.spellings.map(canonical).find(isExperimentId)
  const [groups, experiments] = await together(db, [
    selectMember(workspace, flag, participant),
    ...(id === undefined ? [] : [selectCandidates(workspace, subject, withId(id))]),
  ])
  const [group] = groups.rows
  if (group !== undefined) return { group: memberOf(group) }
  const [row] = experiments?.rows ?? []
  if (row !== undefined) return { assignment: assignmentOf(row, subject) }
  throw new Failure({ reason: 'not-found', what: 'flag', id: flag.key })
}

/** Experiments of one answer. */
const experimentsMost = 1000

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
  const some = sql`ORDER BY e.id LIMIT ${experimentsMost}`
  const [named, experiments] = await together(db, [
    selectGroupsWithMember(workspace, participant),
    selectCandidates(workspace, subject, some),
  ])
  return {
    groups: await withOwnGroups(db, workspace, participant, named.rows),
    assignments: experiments.rows.map((row) => assignmentOf(row, subject)),
  }
}
