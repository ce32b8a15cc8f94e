import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure, invalid } from '../failure.ts'
import { letOthersIn } from '../jobs/let-others-in.ts'
import { stringifyJson } from '../json.ts'
import { isMember } from '../membership/lookup.ts'
import {
  columns,
  experimentOf,
  experimentsOf,
  isOf,
  joinGroup,
  type Experiment,
  type ExperimentRow,
} from './experiments.ts'
import { subjectOf } from './lookup.ts'
import { assigning, valueOf, type Assigned, type Candidate } from './split.ts'

/** Experiments of one answer of many participants. */
export const experimentsMost = 100

/** Characters of all values of one answer. */
const valuesMost = 16 * 1024 * 1024

/** Assignments before others are let in: they take some hundredths of a second. */
const assignedAtOnce = 10_000
/** Milliseconds of a pause, at most. */
const pause = 20

/** An experiment, and the live revision of its group. */
type WithRevision = Experiment & { revision: number | null }

export interface Assignments {
  experiments: WithRevision[]
  /** The variants of each participant, in the order of `experiments`. */
  assignments: { participant: string; assigned: Assigned[] }[]
}

/**
 * The variants of each participant, in the order and spelling of `participants`: of the experiments
 * `ids`, or of all that are no drafts, by id. Throws `not-found` for one of `ids`, and `invalid`
 * where all or their values are too many.
 */
export async function findAssignments(
  db: Db,
  workspace: number,
  participants: string[],
  ids: string[] | undefined,
): Promise<Assignments> {
  const subjects = participants.map(subjectOf)
  const { rows, candidatesOf } = await query(db, workspace, subjects, ids)
  const experiments = rows.map(withRevision)
  const unknown = ids?.find((id) => !experiments.some((one) => one.id === id))
  if (unknown !== undefined)
    throw new Failure({ reason: 'not-found', what: 'experiment', id: unknown })
  if (experiments.length > experimentsMost)
    throw invalid(
      'experiment_ids',
      `must name some, as there are more than ${experimentsMost} experiments`,
    )

  const each = experiments.map((experiment) => {
    const candidate = candidatesOf(experiment)
    const assign = assigning(experiment)
    return {
      assignTo: (place: number) => assign(candidate(place)),
      lengthOf: valueLengths(experiment),
    }
  })
  const assignments: Assignments['assignments'] = []
  let unpaused = 0
  let values = 0
  for (const [place, participant] of participants.entries()) {
    const assigned = each.map(({ assignTo }) => assignTo(place))
    assignments.push({ participant, assigned })
    assigned.forEach((variant, i) => (values += each[i]?.lengthOf(variant) ?? 0))
    if (values > valuesMost)
      throw invalid(
        'participant_ids',
        'have variants with too long values: ask for fewer at a time',
      )
    unpaused += assigned.length
    if (unpaused < assignedAtOnce) continue
    unpaused = 0
    await letOthersIn(pause)
  }
  return { experiments, assignments }
}

type Row = ExperimentRow & { revision: number | null }

const withRevision = ({ revision, ...row }: Row): WithRevision => ({
  ...experimentOf(row),
  revision,
})

/** How long the value of an assignment is as JSON. */
function valueLengths(experiment: Experiment): (assigned: Assigned) => number {
  const known = new Map<string | undefined, number>()
  return (assigned) => {
    const id = assigned.variant?.id
    const length = known.get(id) ?? stringifyJson(valueOf(experiment, assigned)).length
    known.set(id, length)
    return length
  }
}

/** Experiments, and what is known of the participant at a place of `subjects`: in one batch. */
async function query(
  db: Db,
  workspace: number,
  subjects: string[],
  ids: string[] | undefined,
): Promise<{
  rows: Row[]
  candidatesOf: (experiment: Experiment) => (place: number) => Candidate
}> {
  const which =
    ids === undefined
      ? sql`e.status <> 'draft'`
      : sql`e.id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
  // Nothing else is asked of those that are not running.
  const most = experimentsMost + 1
  const running = sql`${experimentsOf(workspace)} AND ${which} AND e.status = 'running' LIMIT ${most}`
  const people = sql`json_each(${JSON.stringify(subjects)}) AS p`
  const [experiments, known, households] = await together(db, [
    sql<Row>`
    SELECT ${columns}, g.revision FROM experiments AS e ${joinGroup}
    WHERE ${isOf(workspace)} AND ${which}
    ORDER BY e.id LIMIT ${most}`,
    selectKnown(running, people),
    selectHouseholds(workspace, running, people),
  ])
  const knownOf = new Map(known.rows.map(({ experiment, places }) => [experiment, places]))
  const valuesOf = Map.groupBy(households.rows, ({ unit }) => unit)
  return {
    rows: experiments.rows,
    candidatesOf: ({ key, group, unit }) => {
      const places = new Map(
        JSON.parse(knownOf.get(key) ?? '[]') as [number, string | null][], // of `json_group_array`
      )
      const values = unit === null ? subjects : householdsOf(valuesOf.get(unit) ?? [])
      return (place) => ({
        forced: places.get(place) ?? null,
        member: group === null || places.has(place),
        key: values[place] || null,
      })
    },
  }
}

/** The household of each place that has one. */
function householdsOf(rows: { place: number; value: string }[]): string[] {
  const values: string[] = []
  for (const { place, value } of rows) values[place] = value
  return values
}

/**
 * Of each experiment the places of the people who are in its group, or on whom a variant is forced, with
 * that variant. Rows read: of each experiment two for each of the people.
 */
const selectKnown = (running: SQL, people: SQL) =>
  sql<{ experiment: number; places: string }>`
    SELECT e.key AS experiment, (
      SELECT json_group_array(json_array(p.key, f.variant)) FROM ${people}
        LEFT JOIN experiment_forced AS f
          ON f.experiment_key = e.key AND f.participant_id = p.value
      WHERE f.variant IS NOT NULL OR ${isMember(sql`p.value`)}) AS places
    FROM (SELECT e.key, e.workspace_id, e.group_id FROM ${running}) AS e ${joinGroup}
    WHERE g.key IS NOT NULL
      OR (SELECT 1 FROM experiment_forced WHERE experiment_key = e.key LIMIT 1) IS NOT NULL`

/** The households of the people, of each definition whose groups are drawn. */
const selectHouseholds = (workspace: number, running: SQL, people: SQL) =>
  sql<{ unit: string; place: number; value: string }>`
    SELECT d.id AS unit, p.key AS place, i.value
    FROM group_definitions AS d
      CROSS JOIN ${people}
      CROSS JOIN identity_members AS i ON i.definition_key = d.key AND i.user_id = p.value
    WHERE d.workspace_id = ${workspace} AND d.deleted_at IS NULL
      AND d.id IN (SELECT e.unit_definition FROM ${running})`
