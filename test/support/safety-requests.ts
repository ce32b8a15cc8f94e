import { expect } from 'vitest'
import type { Message } from '../../src/messages.ts'
import { json } from './api.ts'
import { consume } from './bindings.ts'
import { bodyOf, type Answer, type Calls, type Person } from './safety-calls.ts'
import type { Deed } from './safety-deeds.ts'
import { bytesOf, idsOf, sha256Of } from './safety-files.ts'
import { hasEnded, isCancelled, isTooMany } from './safety-model.ts'
import type { ModelGroup, ModelJob, Move, Wish } from './safety-model.ts'
import { databases } from './databases.ts'

// How each deed is asked for, and what it must be answered where nothing else happens.

/** What may open a job, once. */
export interface Opening {
  group: ModelGroup
  wish: Wish
  key: string | null
  /** Its first answer that says so. */
  answer?: Answer
  job?: string
}

/** One that may open a job. */
export type Opens = Attempt & { opening: Opening }

export interface Attempt {
  group: ModelGroup
  /** It may be about any group. */
  isAny?: boolean
  send: () => Promise<Answer | undefined>
  /** What it is answered where it is alone; asked before it is sent. */
  expects?: () => (answer: Answer) => void
  opening?: Opening
  /** `mayWin`: where it is the first. */
  decides?: { job: ModelJob; move: Move; by: string; mayWin: boolean }
  guard?: { percent: number | null }
  givesUp?: ModelJob
  /** It must be held, or have ended, where this is alone. */
  finishes?: ModelJob
}

export const isRefusal =
  (message: string, code = '2001') =>
  (answer: Answer): void =>
    expect([answer.status, bodyOf(answer)]).toEqual([400, { code, message }])

const withKey = (key: string | null): Record<string, string> =>
  key === null ? {} : { 'idempotency-key': key }

export const keyOf = (isKeyed: boolean) => (isKeyed ? crypto.randomUUID() : null)

type Of<What extends Deed['what']> = Extract<Deed, { what: What }>
type Asking = Pick<Of<'reverts'>, 'mode' | 'percent'>

const fieldsOf = ({ mode, percent }: Asking): Record<string, string> => ({
  mode,
  ...(percent !== null && { maxRemovePercent: String(percent) }),
})

let files = 0

/** A file that is to be sent by somebody. */
export function fileOf(deed: Of<'uploads'> | Of<'creates'>, by: Person) {
  const { file, mode, percent } = deed
  const bytes = bytesOf(file, deed.what === 'creates' && deed.isLarge)
  const wish: Wish = {
    ...{ type: file.type, ids: idsOf(file), badRows: file.badRows, percent, by: by.name },
    ...{ isPreview: mode === 'preview', fileName: `file-${++files}.csv`, sha256: sha256Of(bytes) },
  }
  const fields = { ...fieldsOf(deed), type: file.type, fileName: wish.fileName }
  return { bytes, wish, fields }
}

export function upload(calls: Calls, group: ModelGroup, by: Person, deed: Of<'uploads'>): Opens {
  const { bytes, wish, fields } = fileOf(deed, by)
  const opening: Opening = { group, wish, key: keyOf(deed.isKeyed) }
  const path = `/groups/v3/groups/${group.id}/participants?${new URLSearchParams(fields).toString()}`
  const headers = { 'content-type': 'text/csv', ...withKey(opening.key) }
  return {
    ...{ group, opening, expects: () => opens(opening) },
    send: () => calls.call(by, ['PUT', path], { body: bytes, headers }),
  }
}

export function revert(calls: Calls, group: ModelGroup, by: Person, deed: Of<'reverts'>): Opens {
  const { mode, percent } = deed
  const wish: Wish = {
    ...{ type: 'REVERT', ids: [], badRows: 0, isPreview: mode === 'preview', percent },
    ...{ by: by.name, fileName: '', sha256: null },
  }
  const opening: Opening = { group, wish, key: keyOf(deed.isKeyed) }
  const { headers, ...init } = json('POST', { mode, maxRemovePercent: percent })
  const all = { ...(headers as Record<string, string>), ...withKey(opening.key) } // as `json` writes them
  const nothing = `groupId ${group.id} cannot be reverted: nothing has changed it yet.`
  return {
    ...{ group, opening },
    send: () =>
      calls.call(by, ['POST', `/groups/v3/groups/${group.id}/revert`], { ...init, headers: all }),
    expects: () =>
      group.live === 0 && opening.job === undefined ? isRefusal(nothing) : opens(opening),
  }
}

/** It opens a job, or is told of the one that it has opened. */
function opens(opening: Opening): (answer: Answer) => void {
  const { job, key } = opening
  return (answer) => {
    expect([answer.status, answer.replayed], answer.text).toEqual([200, job !== undefined])
    const { jobId } = bodyOf(answer)
    if (job !== undefined) expect([jobId, typeof key]).toEqual([job, 'string'])
    if (opening.answer !== undefined) expect(answer.text).toBe(opening.answer.text)
  }
}

export function guard(calls: Calls, group: ModelGroup, by: Person, deed: Of<'guards'>): Attempt {
  const { percent } = deed
  return {
    ...{ group, guard: { percent } },
    send: () =>
      calls.call(
        by,
        ['PUT', `/groups/v3/groups/${group.id}`],
        json('PUT', { maxRemovePercent: percent }),
      ),
    expects: () => (answer) =>
      expect([answer.status, bodyOf(answer)['maxRemovePercent'] ?? null]).toEqual([200, percent]),
  }
}

const whyNot = (job: ModelJob): string => {
  if (isCancelled(job)) return 'it is cancelled'
  if (job.state === 'undoing' || job.state === 'failed') return 'it has failed'
  return hasEnded(job) ? 'its changes are live' : 'it is not held'
}

/** Publishes or cancels a job of a group, or asks for it as one of another workspace. */
export function decide(
  calls: Calls,
  { group, job }: { group: ModelGroup; job: ModelJob },
  by: Person,
  { move, number }: Of<'decides'>,
): Attempt {
  const removed = job.outcome?.removed.length ?? 0
  const given = { right: removed, wrong: removed + 1, none: undefined }[number]
  const path = `/groups/v3/jobs/${job.id}/${move}`
  const init =
    move === 'publish' && given !== undefined ? json('POST', { expectedRemoved: given }) : {}
  const isStranger = by.workspace !== group.workspace
  const isNumbered = (job.held ?? []).some((one) => isTooMany(removed, one))
  const isRight = given === undefined ? !isNumbered : given === removed
  const mayWin = job.state === 'held' && (move === 'cancel' || isRight)
  const expects = () => {
    if (isStranger) return isRefusal(`jobId ${job.id} not found`, '2000')
    const done = { publish: 'published', cancel: 'cancelled' }[move]
    const told = isRefusal(`jobId ${job.id} cannot be ${done}: ${whyNot(job)}.`)
    if (move === 'cancel')
      return hasEnded(job) || job.state === 'undoing' ? told : shows(job, ['CANCELLED'])
    if (job.state !== 'held') return told
    if (given === undefined && isNumbered)
      return isRefusal(
        `The job would remove ${removed} members: publish it with {"expectedRemoved": ${removed}}.`,
      )
    if (given !== undefined && given !== removed)
      return isRefusal(`The job would remove ${removed} members, not ${given}.`)
    return shows(job, ['SUCCESSFUL', 'PARTIAL_SUCCESS'])
  }
  return {
    ...{ group, expects, send: () => calls.call(by, ['POST', path], init) },
    ...(!isStranger && { decides: { job, move, by: by.name, mayWin } }),
  }
}

const shows = (job: ModelJob, statuses: string[]) => (answer: Answer) => {
  expect(answer.status, answer.text).toBe(200)
  const { jobId, jobStatus } = bodyOf(answer)
  expect(jobId).toBe(job.id)
  expect(statuses).toContain(jobStatus)
}

async function keyIn(table: 'jobs' | 'experience_groups', id: string): Promise<number> {
  const keys = await Promise.all(
    databases().map((db) =>
      db.prepare(`SELECT key FROM ${table} WHERE id = ?`).bind(id).first('key'),
    ),
  )
  return Number(keys.find((key) => key !== null))
}

export const consumed = async (
  { bound }: Pick<Calls, 'bound'>,
  message: Message,
  queue = 'work',
): Promise<undefined> => {
  await consume(queue, [message], bound)
}

export function goOn(calls: Calls, group: ModelGroup, job: ModelJob): Attempt {
  const { workspace } = group
  const isTurn = group.unended() === job && job.state !== 'held'
  return {
    ...{ group, ...(isTurn && { finishes: job }) },
    send: async () => {
      const key = await keyIn('jobs', job.id)
      return consumed(calls, { kind: 'job', workspace, job: key, hasLetOthersGo: true })
    },
  }
}

export const giveUp = (calls: Calls, group: ModelGroup, job: ModelJob): Attempt => ({
  ...{ group, givesUp: job },
  send: async () => {
    // Whatever was moved lately is not given up.
    calls.pass(300_000)
    const key = await keyIn('jobs', job.id)
    return consumed(calls, { kind: 'job', workspace: group.workspace, job: key }, 'work-dead')
  },
})

export const prune = (calls: Calls, group: ModelGroup): Attempt => ({
  group,
  send: async () => {
    const key = await keyIn('experience_groups', group.id)
    return consumed(calls, { kind: 'prune', workspace: group.workspace, group: key, after: '' })
  },
})
