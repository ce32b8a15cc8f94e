import { expect } from 'vitest'
import type { SharedAttribute } from '../../src/db/schema.ts'
import type { Value } from '../../src/identity/attributes.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { listRuns, type Run } from '../../src/identity/runs.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { defined, deliver, momentOf, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

export const seatsMax = 3
export const small = { GROUP_USERS_MAX: seatsMax, USERS_PER_STEP: 7 }
export const shared: SharedAttribute[] = [
  { id: 'dog', type: 'boolean_or' },
  { id: 'cars', type: 'sum' },
]

/** Who lives where; everyone else is homeless. A street may exceed a step and a group. */
export const inhabitants = (streets: Record<string, string>) =>
  Object.entries(streets).flatMap(([street, people]) =>
    people
      .split('')
      .map((one, i): [string, Record<string, Value>] => [
        one,
        { street, dog: i % 2 === 1, cars: one.charCodeAt(0) },
      ]),
  )

/** A town whose users moved since its last recompute: forth, back and in a circle. */
export async function movedTown() {
  const workspace = newWorkspace()
  const { res, enqueued } = hazardous({ ...small, USERS_PER_STEP: 20_000 })
  const { key } = await defined(res, workspace, 'household', 'street', shared)
  await writeUsers(
    res,
    workspace,
    inhabitants({ ash: 'abc', birch: 'def', cedar: 'ghijklm', fir: 'nop', oak: 'q', yew: 'rstuv' }),
  )
  await requestRecompute(res, workspace, 'household')
  await deliver(res, enqueued, workspace)
  await writeUsers(
    res,
    workspace,
    inhabitants({
      ash: 'bqx',
      birch: 'ag',
      cedar: 'hijklmnz',
      fir: 'eos',
      oak: 'vwp',
      yew: 'rctuf',
    }),
    2,
  )
  return { workspace, key }
}

export const runsOf = (workspace: number) =>
  listRuns(hazardous().res.databaseOf(workspace), workspace, 'household')

/** The figures of an undisturbed run. */
export const counts = ({
  state,
  seated,
  overLimit,
  groups,
  changed,
  scanned,
  withoutValue,
  largest,
  cursor,
  attributes,
}: Run) => {
  const users = { scanned, seated, overLimit, withoutValue, largest }
  return { state, ...users, groups, changed, cursor, attributes }
}

/** The state of the definitions, their keys aside. */
export const stateOf = async (workspace: number) => {
  const { town, definitions } = await momentOf(workspace)
  return { town, definitions: definitions.map(({ id, seats, groups }) => ({ id, seats, groups })) }
}

/** Runs it undisturbed, and returns the result and the number of database calls. */
export async function undisturbed() {
  const { workspace } = await movedTown()
  const { res, enqueued, meanwhile } = hazardous(small)
  await requestRecompute(res, workspace, 'household')
  let calls = 0
  meanwhile(async () => void calls++)
  await deliver(res, enqueued, workspace)
  const [run] = await runsOf(workspace)
  if (run === undefined) throw new Error('no run')
  return { state: await stateOf(workspace), run: counts(run), calls }
}

export const once = await undisturbed()

export async function expectAsOnce(workspace: number) {
  const [run, ...others] = await runsOf(workspace)
  expect(run && counts(run)).toEqual(once.run)
  expect(others).toHaveLength(1)
  expect(await stateOf(workspace)).toEqual(once.state)
}

export const left = async (definition: number) => {
  const tables = ['identity_members', 'group_attributes', 'normalized_values', 'recompute_runs']
  const counted = await homeDb.batch<{ n: number }>([
    ...tables.map((table) =>
      homeDb
        .prepare(`SELECT count(*) AS n FROM ${table} WHERE definition_key = ?`)
        .bind(definition),
    ),
    homeDb.prepare('SELECT count(*) AS n FROM group_definitions WHERE key = ?').bind(definition),
  ])
  return counted.map(({ results }) => results[0]?.n)
}
