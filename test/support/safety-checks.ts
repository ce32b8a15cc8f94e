import { expect } from 'vitest'
import type { Json } from './api.ts'
import { bodyOf } from './safety-calls.ts'
import { countsOf, isCancelled, isTooMany } from './safety-model.ts'
import type { ModelGroup, ModelJob, People } from './safety-model.ts'
import { isRefusal } from './safety-requests.ts'
import type { SafetyScene } from './safety-scene.ts'
import { inBytes } from './town.ts'

const sorted = (people: Iterable<string>) => [...people].sort(inBytes)

/** Compares what the Worker says of a group with its model: all of it, or what it says most often. */
export async function checkGroup(
  scene: SafetyScene,
  group: ModelGroup,
  isAll: boolean,
): Promise<void> {
  const rest = isAll ? [checkRevisions, checkChanges, checkBefore] : []
  await Promise.all([checkMembers, checkJobs, ...rest].map((check) => check(scene, group)))
}

async function checkMembers(scene: SafetyScene, group: ModelGroup): Promise<void> {
  const by = scene.personOf(group, 0)
  const at = `/groups/v3/groups/${group.id}`
  const answer = await scene.call(by, ['GET', at])
  const shown = bodyOf(answer)
  expect([shown['groupParticipantCount'], answer.headers.get('etag')]).toEqual([
    group.members.size,
    `"${group.live}"`,
  ])
  expect(shown['maxRemovePercent'] ?? null).toBe(group.guard)
  expect(await scene.get(by, `${at}/participants?size=1000`)).toEqual({
    ...{ participants: sorted(group.members), next: null, revision: group.live },
  })
}

async function checkJobs(scene: SafetyScene, group: ModelGroup): Promise<void> {
  const query = `groupId=${group.id}&size=200&sort=insertDateTime,asc`
  const { content } = await scene.get(scene.personOf(group, 0), `/groups/v3/jobs?${query}`)
  const shown = content as Json[]
  expect(shown).toHaveLength(group.jobs.length)
  for (const [i, job] of group.jobs.entries()) {
    const seen = shown[i] ?? {}
    const held = job.state === 'held' ? (job.held ?? []) : []
    const removed = job.outcome?.removed.length ?? 0
    const details = held.map((one) =>
      isTooMany(removed, one)
        ? `Would remove ${removed} of ${one.size} members, more than ${one.percent} %.`
        : 'Preview.',
    )
    // It tells which guard it has met.
    if (held.length > 0) job.held = held.filter((_, n) => details[n] === seen['jobDetails'])
    expect(seen).toMatchObject(shownOf(job))
    const expected = held.length > 0 ? details : [detailsOf(group, job)]
    expect(expected).toContain(seen['jobDetails'])
    expect(seen['fileSha256'] ?? null).toBe(job.sha256)
  }
}

function statusOf(job: ModelJob): string {
  if (isCancelled(job)) return 'CANCELLED'
  const statuses: Record<string, string> = {
    ...{ waiting: 'CREATED', running: 'PROCESSING', undoing: 'PROCESSING', held: 'HELD' },
    ...{ successful: 'SUCCESSFUL', partial: 'PARTIAL_SUCCESS', failed: 'FAILED' },
  }
  return statuses[job.state] ?? ''
}

function shownOf(job: ModelJob): Json {
  const { id, type, by, state, outcome, badRows, failure } = job
  const isCounted = outcome !== undefined && ['held', 'successful', 'partial'].includes(state)
  const { added, removed } = isCounted ? countsOf(outcome) : { added: 0, removed: 0 }
  const ownEnd = isCounted || failure === 'no-good-row' || failure === 'mostly-bad'
  const rows = outcome?.rows ?? job.ids.length + badRows
  return {
    ...{ jobId: id, type, jobCreatedBy: by, jobStatus: statusOf(job) },
    ...{ addedCount: added, removedCount: removed },
    ...(ownEnd && { totalRecordsCount: rows, failedRecordsCount: badRows }),
    ...(isCounted && { unchangedCount: rows - badRows - (type === 'REMOVE' ? removed : added) }),
    inputFileName: type === 'REVERT' ? `revision before ${job.reverts}` : job.fileName,
  }
}

function detailsOf(group: ModelGroup, { state, failure, revision }: ModelJob): string | undefined {
  const held = group.held()
  if (state === 'waiting' && held !== undefined && held.revision < revision)
    return `Waits for jobId ${held.id}, which is held.`
  if (state === 'partial') return 'Partial Success.  See detailed report.'
  if (state !== 'failed') return undefined
  return {
    'no-good-row': 'Import failed.  See detailed report.',
    'gave-up': 'Import failed.  Nothing of the file was applied.',
    overtaken: 'Revert failed.  Another revision went live before it began.',
    'mostly-bad':
      'Import failed.  Too many rows were refused, so nothing was changed.  See detailed report.',
  }[failure ?? '']
}

async function checkRevisions(scene: SafetyScene, group: ModelGroup): Promise<void> {
  const path = `/groups/v3/groups/${group.id}/revisions?size=200`
  const { content } = await scene.get(scene.personOf(group, 0), path)
  expect(content).toEqual(
    group.revisions.map(({ job, size }, i) => ({
      ...{ revision: job.revision, jobId: job.id, type: job.type, jobCreatedBy: job.by },
      createdDateTime: expect.any(String) as string,
      inputFileName: shownOf(job)['inputFileName'],
      fileSha256: job.sha256,
      ...{ addedCount: job.outcome?.added.length, removedCount: job.outcome?.removed.length },
      ...{ participantCount: size, live: i === 0 },
    })),
  )
}

/** Of the job that is held and the one that is live; of one that is neither nothing is told. */
async function checkChanges(scene: SafetyScene, group: ModelGroup): Promise<void> {
  const by = scene.personOf(group, 0)
  const live = group.revisions[0]?.job
  const listed = async (job: ModelJob, kind: 'added' | 'removed') =>
    expect(await scene.get(by, `/groups/v3/jobs/${job.id}/changes?kind=${kind}`)).toEqual({
      ...{ participants: sorted(job.outcome?.[kind] ?? []), next: null },
    })
  const told = [group.held(), live].filter((job) => job !== undefined)
  await Promise.all(told.flatMap((job) => [listed(job, 'added'), listed(job, 'removed')]))
  const none = group.jobs.findLast((job) => !told.includes(job))
  if (none === undefined) return
  const refusal = await scene.call(by, ['GET', `/groups/v3/jobs/${none.id}/changes?kind=added`])
  expect([refusal.status, refusal.text]).toEqual([
    400,
    expect.stringContaining(`The changes of jobId ${none.id} cannot be listed: `),
  ])
}

/** At the revision before: somebody who has left since, who has joined, and who is in now. */
async function checkBefore(scene: SafetyScene, group: ModelGroup): Promise<void> {
  const { members, before, live, liveBefore } = group
  const by = scene.personOf(group, 0)
  const was = async (id: string, revision: number, at: People) => {
    const path = `/groups/v3/groups/${group.id}/participants/${encodeURIComponent(id)}`
    const expected = { member: at.has(id), revision }
    expect(await scene.get(by, `${path}?revision=${revision}`)).toMatchObject(expected)
  }
  const some = [before.difference(members), members.difference(before), members].flatMap(lastOf)
  await Promise.all(some.map((id) => was(id, liveBefore, before)))
  const older = group.revisions[2]?.job.revision
  if (older === undefined) return
  const path = `/groups/v3/groups/${group.id}/participants/x?revision=${older}`
  const problem = `revision must be the live one, ${live}, or the one that was live before it`
  isRefusal(problem, '2000')(await scene.call(by, ['GET', path]))
}

const lastOf = (people: People) => sorted(people).slice(-1)

const types = [
  ...['job.created', 'job.held', 'job.published', 'job.cancelled', 'job.failed'],
  ...['group.participants.changed', 'group.reverted'],
].join(',')

/** Each event of the model is there once, by whom it names, and no other. */
export async function checkEvents(scene: SafetyScene): Promise<void> {
  const { ann, bob, eve } = scene.people
  const names = new Map([ann, bob, eve].map(({ client, name }) => [client, name]))
  for (const by of [ann, eve]) {
    const groups = scene.groups.filter(({ workspace }) => workspace === by.workspace)
    const path = `/platform/workspaces/${by.workspace}/events?size=1000&types=${types}`
    const { events } = (await scene.get(by, path)) as { events: Json[] }
    const seen = events.map(({ type, actor, data }) => {
      const { client_id, name } = actor as Json
      expect(names.get(String(client_id))).toBe(name)
      return textOf([type, name, data])
    })
    const expected = groups.flatMap((group) => group.events.map(reread))
    for (const maybe of groups.flatMap((group) => group.maybe.map(reread)))
      if (seen.includes(maybe)) expected.push(maybe)
    expect(seen.sort()).toEqual(expected.sort())
  }
}

const reread = (text: string) => textOf(JSON.parse(text) as unknown[])

/** With the facts of its data in one order. */
const textOf = ([type, name, data]: unknown[]): string =>
  JSON.stringify([type, name, Object.entries(data as Json).sort(([a], [b]) => (a < b ? -1 : 1))])
