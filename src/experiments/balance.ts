import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import type { BalanceCount, experimentBalances } from '../db/schema.ts'
import { Failure, invalid } from '../failure.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { stalledAfter } from '../jobs/stalled.ts'
import { groupOf } from '../membership/lookup.ts'
import { flagOf, type Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { fitOf, type Fit } from './chi-squared.ts'
import {
  columns,
  experimentOf,
  experimentsOf,
  type Experiment,
  type ExperimentRow,
} from './experiments.ts'

type Stored = typeof experimentBalances.$inferSelect

export type BalanceState = Stored['state']

/** How the members of an experiment's group fall into its variants. */
export interface Balance {
  experiment: Experiment
  /** Null: none was requested. */
  state: BalanceState | null
  /** Of the last that was complete. */
  result: (BalanceCount & Fit) | undefined
}

/** The id of the experiment's group. Throws `invalid` where it has none. */
export function requiredGroup({ group }: Experiment): string {
  if (group !== null) return group
  throw invalid('group_id', 'is not set: without a group, nobody knows who could take part')
}

interface Row {
  state: BalanceState
  result: string | null
  updatedAt: number
}

/** Selects an experiment and its balance, each if it is there. */
function selectBalance(workspace: number, id: string) {
  const only = sql`${experimentsOf(workspace)} AND e.id = ${id}`
  return [
    sql<ExperimentRow>`SELECT ${columns} FROM ${only}`,
    sql<Row>`
    SELECT b.state, b.result, b.updated_at AS updatedAt
    FROM (SELECT e.key FROM ${only}) AS e
      CROSS JOIN experiment_balances AS b ON b.experiment_key = e.key`,
  ] as const
}

function balanceOf(
  id: string,
  [experiment]: ExperimentRow[],
  [row]: Row[],
): Balance & { updatedAt: number } {
  if (experiment === undefined) throw new Failure({ reason: 'not-found', what: 'experiment', id })
  const read = experimentOf(experiment)
  requiredGroup(read)
  return {
    experiment: read,
    state: row?.state ?? null,
    result: resultOf(row?.result ?? null),
    updatedAt: row?.updatedAt ?? 0,
  }
}

function resultOf(text: string | null): Balance['result'] {
  if (text === null) return undefined
  const count = JSON.parse(text) as BalanceCount // only counts are written
  return { ...count, ...fitOf(count.variants) }
}

/** Throws `not-found`, and `invalid` for an experiment without a group. */
export async function getBalance(db: Db, workspace: number, id: string): Promise<Balance> {
  const [experiments, balances] = await together(db, selectBalance(workspace, id))
  return balanceOf(id, experiments.rows, balances.rows)
}

/**
 * The statement that opens balances of the experiments `e` with a group for which `which` holds; one
 * that is not complete goes on. Gives those that it opens.
 */
export const requestBalances = (which: SQL, state: 'due' | 'waiting', now: number) =>
  sql<{ workspace: number; key: number }>`
  INSERT INTO experiment_balances (experiment_key, workspace_id, state, updated_at)
  SELECT e.key, e.workspace_id, ${state}, ${now} FROM experiments AS e
  WHERE e.deleted_at IS NULL AND e.group_id IS NOT NULL AND ${which}
  ON CONFLICT (experiment_key) DO UPDATE
  SET state = excluded.state, step = step + 1, progress = NULL, updated_at = excluded.updated_at
  WHERE experiment_balances.state = 'complete'
    OR (experiment_balances.state = 'due' AND excluded.state = 'waiting')
  RETURNING workspace_id AS workspace, experiment_key AS key`

/** The message that carries a balance on; `due` goes behind what people wait for. */
export const balanceMessage = (
  { workspace, key }: { workspace: number; key: number },
  state: BalanceState,
): Message => ({ kind: 'balance', workspace, experiment: key, ...flagOf(state === 'due') })

/** Milliseconds without a step after which a request enqueues the balance again. */
const quietFor = 60_000

/**
 * Opens the balance of an experiment; one that is not complete goes on. Throws `not-found`,
 * also for its group, and `invalid` for an experiment without one.
 */
export async function requestBalance(
  res: Resources,
  workspace: number,
  id: string,
): Promise<Balance> {
  const db = res.databaseOf(workspace)
  const { experiment } = await getBalance(db, workspace, id)
  const group = requiredGroup(experiment)
  const found = await db.all(sql`SELECT 1 FROM ${groupOf(workspace, group)}`)
  if (found.length === 0) throw new Failure({ reason: 'not-found', what: 'group', id: group })
  const now = res.now()
  const [begun, experiments, balances] = await together(db, [
    requestBalances(sql`e.key = ${experiment.key}`, 'waiting', now),
    ...selectBalance(workspace, id),
  ])
  const requested = balanceOf(id, experiments.rows, balances.rows)
  const { state, updatedAt } = requested
  if (state !== null && (begun.rows.length > 0 || updatedAt < now - quietFor))
    await enqueue(res, balanceMessage({ workspace, key: experiment.key }, state))
  return requested
}

/** The balances `b` of a workspace's experiments, as the end of a SELECT. */
export const balancesOf = (workspace: number | SQL): SQL => sql`
  experiments AS x CROSS JOIN experiment_balances AS b ON b.experiment_key = x.key
  WHERE x.workspace_id = ${workspace} AND x.deleted_at IS NULL`

/** Whether a balance of a workspace may begin: one is counted at a time, unless it has stalled. */
export const isTurn = (workspace: number | SQL, now: number): SQL => sql`NOT EXISTS (
  SELECT 1 FROM ${balancesOf(workspace)}
    AND b.state = 'counting' AND b.updated_at > ${now - stalledAfter})`

/** The order in which balances are counted: those that people wait for first. */
export const inTurn = (balance: SQL): SQL => sql`${balance}.state = 'due', ${balance}.updated_at`

/** The balance whose turn has come, if one waits. */
export async function findNextBalance(
  res: Resources,
  workspace: number,
): Promise<{ workspace: number; key: number; state: BalanceState } | undefined> {
  const [next] = await res.databaseOf(workspace).all<{ key: number; state: BalanceState }>(sql`
    SELECT b.experiment_key AS key, b.state FROM ${balancesOf(workspace)}
      AND b.state IN ('due', 'waiting') AND ${isTurn(workspace, res.now())}
    ORDER BY ${inTurn(sql`b`)} LIMIT 1`)
  return next && { workspace, ...next }
}
