import { sql } from 'drizzle-orm'
import { costOf, together, type Cost } from '../db/connect.ts'
import type { experimentBalances } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { carryOnSteps } from '../jobs/carry-on.ts'
import { enqueue } from '../jobs/enqueue.ts'
import type { Interruptible } from '../jobs/interruptible.ts'
import type { Invocation } from '../jobs/invocation.ts'
import { membersAt, RevisionChanged, type Member } from '../membership/export.ts'
import { flagOf, type Message, type MessageOf } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { balanceMessage, findNextBalance, isTurn, type BalanceState } from './balance.ts'
import { columns, experimentOf, isOf, type Experiment, type ExperimentRow } from './experiments.ts'
import { assigning } from './split.ts'
import { drawnColumns, type DrawnMember } from './unit.ts'

type Progress = NonNullable<(typeof experimentBalances.$inferSelect)['progress']>

/** A balance, and its experiment as it is now. */
interface Counting {
  workspace: number
  key: number
  state: BalanceState
  step: number
  progress: Progress | undefined
  experiment: Experiment | undefined
  mayBegin: boolean
}

/** Members of the first step, and of any: larger steps hardly save time. */
const membersFirst = 4000
const membersMost = 10_000

/** Milliseconds for which one revision is counted: its rows are kept longer, though it may not be live any more. */
const countedFor = 3_600_000

/** Carries a balance on, a range of members per step. */
export function runBalance(
  res: Resources,
  { workspace, experiment, scheduled }: MessageOf<'balance'> & Pick<Message, 'scheduled'>,
): Promise<void> {
  const message: Message = { kind: 'balance', workspace, experiment, ...flagOf(scheduled) }
  return carryOnSteps(res, message, async (invocation) => {
    const counting = await find(res, workspace, experiment)
    if (counting !== undefined && counting.state !== 'complete')
      return counting.mayBegin && step(res, counting, invocation)
    const next = await findNextBalance(res, workspace)
    if (next !== undefined) await enqueue(res, balanceMessage(next, next.state))
    return false
  })
}

async function find(res: Resources, workspace: number, key: number): Promise<Counting | undefined> {
  const [balances, experiments] = await together(res.databaseOf(workspace), [
    sql<Pick<Counting, 'state' | 'step'> & { progress: string | null; mayBegin: number }>`
    SELECT state, step, progress,
      iif(state = 'counting', 1, ${isTurn(workspace, res.now())}) AS mayBegin
    FROM experiment_balances WHERE experiment_key = ${key}`,
    sql<ExperimentRow>`
    SELECT ${columns} FROM experiments AS e WHERE e.key = ${key} AND ${isOf(workspace)}`,
  ])
  const [row] = balances.rows
  if (row === undefined) return undefined
  return {
    ...row,
    ...{ workspace, key },
    mayBegin: row.mayBegin === 1,
    progress: row.progress === null ? undefined : (JSON.parse(row.progress) as Progress), // only that is written
    experiment: experiments.rows.map(experimentOf)[0],
  }
}

/** Counts one range of members. False: someone else moved it, or is to go first. */
async function step(res: Resources, counting: Counting, invocation: Invocation): Promise<boolean> {
  const { experiment } = counting
  const size = Math.min(invocation.items(membersFirst), membersMost)
  const range = experiment && (await readRange(res, counting, experiment, size))
  if (experiment === undefined || range === undefined) return drop(res, counting)
  if (range === 'void') return beginAgain(res, counting)
  const counted = await invocation.runYielding(count(experiment, range))
  const { moved, ms } = await move(res, counting, { ...range, counted, size })
  await invocation.took(ms, size)
  return moved
}

/** A range of members, and what is counted before it. */
interface Range {
  progress: Progress
  members: Member<DrawnMember>[]
  cost: Cost
}

/**
 * The next members at the revision that is counted. Void where the experiment has changed, or rows of
 * that revision may be gone; undefined without a group.
 */
async function readRange(
  res: Resources,
  { workspace, key, progress }: Counting,
  experiment: Experiment,
  size: number,
): Promise<Range | 'void' | undefined> {
  const { group, unit, updatedAt } = experiment
  if (group === null) return undefined
  const now = res.now()
  if (progress && (progress.modifiedAt !== updatedAt || now - progress.begunAt >= countedFor))
    return 'void'
  try {
    const { revision, members, cost } = await membersAt<DrawnMember>(
      res.databaseOf(workspace),
      workspace,
      group,
      {
        ...(progress !== undefined && { revision: progress.revision }),
        after: progress?.after ?? '',
        size,
        columns: drawnColumns(workspace, { key, unit }),
      },
    )
    return { progress: progress ?? begun(experiment, revision, now), members, cost }
  } catch (error) {
    if (error instanceof RevisionChanged) return 'void'
    if (error instanceof Failure) return undefined
    throw error
  }
}

/**
 * Drops what is counted, and lets others of the workspace that wait go first: a group that changes
 * faster than it is counted would keep them from their turn.
 */
async function beginAgain(res: Resources, { workspace, key, step }: Counting): Promise<boolean> {
  const { meta } = await res.databaseOf(workspace).run(sql`
    UPDATE experiment_balances
    SET state = 'due', progress = NULL, step = step + 1, updated_at = ${res.now()}
    WHERE experiment_key = ${key} AND step = ${step}`)
  if (meta.changes === 0) return false
  const next = await findNextBalance(res, workspace)
  if (next?.key === key) return true
  if (next !== undefined) await enqueue(res, balanceMessage(next, next.state))
  return false
}

const begun = (
  { version, updatedAt, variants }: Experiment,
  revision: number,
  now: number,
): Progress => ({
  ...{ version, modifiedAt: updatedAt, revision, begunAt: now, after: '', members: 0 },
  variants: variants.map(({ id, from, to }) => ({ id, weight: to - from, observed: 0 })),
})

/** Members that are counted between two yields: some milliseconds. */
const countedAtOnce = 2000

/** Counts whom the split draws: no forced member, and a household once. */
function* count(experiment: Experiment, { progress, members }: Range): Interruptible<Progress> {
  // As if it ran, so that a draft can be checked before it starts.
  const assign = assigning({ ...experiment, status: 'running' })
  const observed = new Map(progress.variants.map((variant) => [variant.id, variant.observed]))
  for (const [i, { id, forced, household = id, again = 0 }] of members.entries()) {
    if (i % countedAtOnce === countedAtOnce - 1) yield
    if (forced === 1 || again === 1) continue
    const { variant } = assign({ forced: null, member: true, key: household })
    if (variant !== undefined) observed.set(variant.id, (observed.get(variant.id) ?? 0) + 1)
  }
  return {
    ...progress,
    after: members.at(-1)?.id ?? progress.after,
    members: progress.members + members.length,
    variants: progress.variants.map((variant) => ({
      ...variant,
      observed: observed.get(variant.id) ?? 0,
    })),
  }
}

/** Writes what is counted, unless someone else has; `ms` is the database's time for the whole step. */
async function move(
  res: Resources,
  { workspace, key, step, state, experiment }: Counting,
  { counted, members, cost, size }: Range & { counted: Progress; size: number },
): Promise<{ moved: boolean; ms: number }> {
  const now = res.now()
  const isLast = members.length < size
  const { after: _, begunAt: __, ...result } = counted
  const written = isLast
    ? sql`state = 'complete', progress = NULL, result = ${JSON.stringify(result)}`
    : sql`state = 'counting', progress = ${JSON.stringify(counted)}`
  const results = await together(res.databaseOf(workspace), [
    sql`
    UPDATE experiment_balances SET ${written}, step = step + 1, updated_at = ${now}
    WHERE experiment_key = ${key} AND step = ${step}
      AND (state = 'counting' OR ${isTurn(workspace, now)})`,
  ])
  const own = costOf(results)
  const whole = {
    ms: cost.ms + own.ms,
    rowsRead: cost.rowsRead + own.rowsRead,
    rowsWritten: cost.rowsWritten + own.rowsWritten,
  }
  const moved = results[0].changes > 0
  const facts = { event: 'balance-step', workspace, experimentId: experiment?.id, step, state }
  console.info(JSON.stringify({ ...facts, last: isLast, moved, ...whole }))
  res.measure({ kind: 'step', work: 'balance', state, ...whole })
  return { moved, ms: whole.ms }
}

/** Nothing is left to count: the experiment or its group is gone. */
async function drop(
  res: Resources,
  { workspace, key, step }: Pick<Counting, 'workspace' | 'key' | 'step'>,
): Promise<boolean> {
  await res
    .databaseOf(workspace)
    .run(sql`DELETE FROM experiment_balances WHERE experiment_key = ${key} AND step = ${step}`)
  return true
}
