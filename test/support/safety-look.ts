import { expect } from 'vitest'
import { databaseOf, databases } from './databases.ts'
import { bodyOf, lost, type Answer, type Calls, type Person } from './safety-calls.ts'
import type { JobSeen, Meanwhile, ModelGroup, ModelJob } from './safety-model.ts'
import { idOf, lookAt, type Sending } from './safety-pieces.ts'
import type { Attempt, Opening } from './safety-requests.ts'

/** What is done, and what it was answered. */
export interface Done {
  attempt: Attempt
  answer: Answer | undefined
}

/** What may explain a change. */
interface Known {
  calls: Calls
  groups: ModelGroup[]
  openings: Opening[]
  sendings: Sending[]
  personOf: (group: ModelGroup, by: number) => Person
}

/** Learns what has happened, each of which must be explained by what was done. */
export async function look(known: Known, done: Done[], isMixed: boolean): Promise<ModelGroup[]> {
  const { calls, groups, openings, sendings, personOf } = known
  for (const { attempt, answer } of done)
    if (answer?.status === 200 && attempt.opening !== undefined) attempt.opening.answer ??= answer
  const touched = done.some(({ attempt }) => attempt.isAny)
    ? groups
    : groups.filter((group) => done.some(({ attempt }) => attempt.group === group))
  for (const group of touched) {
    const own = done.filter(({ attempt }) => attempt.group === group)
    const guards = own.flatMap(({ attempt: { guard } }) => (guard ? [guard.percent] : []))
    const now: Meanwhile = {
      ...{ guards: [group.guard, ...guards], isMixed },
      moves: own.flatMap(({ attempt: { decides }, answer }) =>
        decides === undefined || answer === undefined ? [] : [{ ...decides, answer }],
      ),
      givenUp: new Set(own.flatMap(({ attempt: { givesUp } }) => (givesUp ? [givesUp.id] : []))),
    }
    const seen = await jobsSeen(group)
    const liveBefore = group.live
    const met = seen.slice(group.jobs.length).map((job) => meet(known, group, job, own))
    for (const [i, job] of group.jobs.entries()) group.observe(job, seen[i] ?? fails(), now)
    const lives = [liveBefore, ...group.revisions.map(({ job }) => job.revision)]
    for (const { type, reverts } of met) if (type === 'REVERT') expect(lives).toContain(reverts)
    const won = now.moves.filter(({ answer }) => answer.status === 200).map(({ job }) => job)
    expect(new Set(won).size).toBe(won.length)
    for (const { job, move, answer } of now.moves)
      if (answer.status === 200)
        expect(move === 'publish' ? group.revisions[0]?.job : job.failure).toBe(
          move === 'publish' ? job : 'cancelled',
        )
    if (guards.length > 0) {
      const shown = await calls.get(personOf(group, 0), `/groups/v3/groups/${group.id}`)
      group.guard = (shown['maxRemovePercent'] as number | undefined) ?? null // as the wire has it
      expect(now.guards).toContain(group.guard)
    }
  }
  for (const { answer, job } of openings)
    if (answer !== undefined) expect(job).toBe(bodyOf(answer)['jobId'])
  for (const sending of sendings)
    if (touched.includes(sending.group) && sending.offset < sending.bytes.length)
      await lookAt(calls, sending)
  await slow(groups)
  return touched
}

/** A job that is new: one request has opened it, and no other job. */
function meet(
  { openings, sendings }: Known,
  group: ModelGroup,
  seen: JobSeen,
  own: Done[],
): ModelJob {
  const reverts = /^revision before (\d+)$/.exec(seen.fileName)
  const open = openings.filter((one) => one.group === group && one.job === undefined)
  const isAnswered = ({ answer }: Opening) =>
    answer !== undefined && bodyOf(answer)['jobId'] === seen.id
  const isLost = (one: Opening) =>
    one.answer === undefined &&
    own.some(({ attempt, answer }) => attempt.opening === one && answer?.status === lost)
  const of =
    reverts === null
      ? open.find(({ wish }) => wish.fileName === seen.fileName)
      : (open.find(isAnswered) ?? open.find((one) => one.wish.type === 'REVERT' && isLost(one)))
  if (of === undefined) throw new Error(`nobody has opened ${JSON.stringify(seen)}`)
  of.job = seen.id
  const sending = sendings.find(({ opening }) => opening === of)
  if (sending !== undefined) expect(idOf(sending)).toBe(seen.id)
  return group.open(of.wish, seen, Number(reverts?.[1] ?? 0))
}

const fails = (): never => {
  throw new Error('there is none')
}

async function jobsSeen({ id, workspace }: ModelGroup): Promise<JobSeen[]> {
  const db = await databaseOf(workspace)
  const { results } = await db
    .prepare(
      `SELECT j.id, j.revision, j.state, j.failure, j.file_name AS fileName FROM jobs AS j
      JOIN experience_groups AS g ON g.key = j.group_key
      WHERE g.workspace_id = ? AND g.id = ? ORDER BY j.revision`,
    )
    .bind(workspace, id)
    .all<JobSeen>()
  return results
}

/** Small slices and batches, so that jobs take many steps. */
async function slow(groups: ModelGroup[]): Promise<void> {
  const workspaces = JSON.stringify(groups.map(({ workspace }) => workspace))
  const slowed = databases().map((db) =>
    db
      .prepare(
        `UPDATE jobs SET batch_ids = 40, slice_bytes = iif(file_size > 100000, slice_bytes, 600)
      WHERE state = 'waiting' AND workspace_id IN (SELECT value FROM json_each(?))`,
      )
      .bind(workspaces)
      .run(),
  )
  await Promise.all(slowed)
}
