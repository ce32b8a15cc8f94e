import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import { json } from './api.ts'
import { databaseOf } from './databases.ts'
import { bodyOf, lost, safetyCalls, type Person } from './safety-calls.ts'
import type { Deed, Step } from './safety-deeds.ts'
import { look as learn, type Done } from './safety-look.ts'
import { hasEnded, ModelGroup } from './safety-model.ts'
import { create, send, type Sending } from './safety-pieces.ts'
import * as requests from './safety-requests.ts'
import type { Attempt, Opening, Opens } from './safety-requests.ts'

/** Groups of two workspaces beside their model, and what is done to them. */
export async function safetyScene() {
  const calls = await safetyCalls()
  const { ann, bob, eve } = calls.people
  const groupOf = async (by: Person, groupName: string) => {
    const answer = await calls.call(by, ['POST', '/groups/v3/groups'], json('POST', { groupName }))
    return new ModelGroup(String(bodyOf(answer)['groupId']), by.workspace)
  }
  const groups = [
    await groupOf(ann, 'owls'),
    await groupOf(ann, 'cats'),
    await groupOf(eve, 'owls'),
  ]
  const openings: Opening[] = []
  const sendings: Sending[] = []
  /** Requests that have a key, to be repeated. */
  const keyed: Attempt[] = []
  const log: Done[] = []
  /** The groups of what was done last. */
  let touched = groups

  const placeOf = (place: number): ModelGroup => groups[place] ?? fails()
  const personOf = ({ workspace }: ModelGroup, by: number): Person =>
    workspace === eve.workspace ? eve : by === 1 ? bob : ann
  const jobOf = (group: ModelGroup, pick: number | null) =>
    pick === null ? group.unended() : group.jobs[pick % group.jobs.length]

  /** How something is done; undefined where there is nothing to do it to. */
  const prepare = (deed: Deed): Attempt | undefined => {
    if (deed.what === 'repeats') return keyed[deed.pick % keyed.length]
    if (deed.what === 'sends') {
      const known = sendings.filter(({ path }) => path !== undefined)
      const open = known.filter(({ opening }) => opening.job === undefined)
      const sending = open[deed.pick % open.length] ?? known[0]
      return sending && send(calls, sending, deed)
    }
    if (deed.what === 'message') {
      const [message] = calls.enqueued.splice(deed.pick % calls.enqueued.length, 1)
      if (message === undefined) return undefined
      // Now and then it comes again.
      if (deed.pick % 3 === 0) calls.enqueued.push(message)
      const group = groups.find(({ workspace }) => workspace === message.workspace) ?? fails()
      return { group, isAny: true, send: () => requests.consumed(calls, message) }
    }
    const group = placeOf(deed.place)
    if (deed.what === 'prunes') return requests.prune(calls, group)
    if (deed.what === 'goes on' || deed.what === 'gives up') {
      const job = jobOf(group, deed.pick)
      return job && requests[deed.what === 'goes on' ? 'goOn' : 'giveUp'](calls, group, job)
    }
    const by = personOf(group, deed.by)
    if (deed.what === 'decides') {
      const any = jobOf(group, deed.pick)
      const job = deed.pick % 4 === 0 ? any : (group.held() ?? group.unended() ?? any)
      const stranger = group.workspace === eve.workspace ? ann : eve
      return job && requests.decide(calls, { group, job }, deed.by === 2 ? stranger : by, deed)
    }
    if (deed.what === 'guards') return requests.guard(calls, group, by, deed)
    if (deed.what === 'uploads') return opening(requests.upload(calls, group, by, deed))
    if (deed.what === 'reverts') return opening(requests.revert(calls, group, by, deed))
    const created = create(calls, group, by, deed)
    sendings.push(created.sending)
    openings.push(created.sending.opening)
    if (deed.isKeyed) keyed.push(created)
    return created
  }
  const opening = (attempt: Opens): Attempt => {
    openings.push(attempt.opening)
    if (attempt.opening.key !== null) keyed.push(attempt)
    return attempt
  }

  const look = async (done: Done[], isMixed: boolean): Promise<void> => {
    touched = await learn({ calls, groups, openings, sendings, personOf }, done, isMixed)
  }
  const perform = async (attempt: Attempt): Promise<Done> => {
    const one = { attempt, answer: await attempt.send() }
    log.push(one)
    return one
  }

  /** Sends what must be answered as the model says. */
  const alone = async (attempt: Attempt): Promise<void> => {
    const check = attempt.expects?.()
    const done = await perform(attempt)
    if (done.answer !== undefined) check?.(done.answer)
    await look([done], false)
    const { finishes, givesUp } = attempt
    if (finishes !== undefined)
      expect(hasEnded(finishes) || finishes.state === 'held', JSON.stringify(finishes)).toBe(true)
    if (givesUp !== undefined && !hasEnded(givesUp))
      expect(['held', 'undoing']).toContain(givesUp.state)
  }

  const take = async (step: Step): Promise<ModelGroup[]> => {
    touched = []
    await takes(step)
    return touched
  }
  const takes = async (step: Step): Promise<void> => {
    // Leases of pieces are over, and whose answer was lost is waited for no more.
    calls.pass(16_000)
    const attempt = prepare(step.deed)
    if (attempt === undefined) return
    if (step.how === 'plain') return alone(attempt)
    if (step.how === 'dies') return dies(attempt, step)
    const isTwin = step.other === 'same' && isKeyedOne(attempt)
    const other = isTwin ? attempt : prepare(step.other === 'same' ? step.deed : step.other)
    if (other === undefined) return alone(attempt)
    const done: Done[] = []
    const doing = async (one: Attempt) => void done.push(await perform(one))
    await calls.impatiently(async () => {
      if (step.how === 'at once') {
        calls.fuse(step.fault === null ? undefined : { ...step.fault })
        await Promise.all([doing(attempt), doing(other)])
      } else {
        const { promise, resolve } = Promise.withResolvers<void>()
        const asleep = new Promise<void>((fallen) =>
          calls.fuse({ at: step.at, until: promise, fallen }),
        )
        const sleeper = doing(attempt)
        await Promise.race([asleep, sleeper])
        calls.fuse(undefined)
        await doing(other)
        resolve()
        await sleeper
      }
    })
    calls.fuse(undefined)
    const mayDie = step.how === 'at once' && step.fault !== null
    if (isTwin && !mayDie) areTwins(done)
    if (!mayDie) hasOneWinner(done)
    if (!mayDie) for (const { answer } of done) expect(answer?.status, answer?.text).not.toBe(lost)
    await look(done, true)
  }

  const dies = async (attempt: Attempt, { fault, deed, again }: Extract<Step, { how: 'dies' }>) => {
    calls.fuse({ ...fault })
    const done = await perform(attempt)
    calls.fuse(undefined)
    await look([done], false)
    if (!again) return
    calls.pass(16_000)
    const next = isKeyedOne(attempt) ? attempt : prepare(deed)
    if (next !== undefined) await alone(next)
  }
  const isKeyedOne = (attempt: Attempt) => keyed.includes(attempt)

  /** Carries on whatever is left, and publishes what is held, until all has ended. */
  const settle = async (): Promise<void> => {
    calls.pass(16_000)
    for (const sending of sendings)
      if (sending.path !== undefined && sending.opening.job === undefined)
        await alone(send(calls, sending, { what: 'sends', pick: 0, amount: 'rest', off: 0 }))
    const rest = { what: 'decides', pick: 0, move: 'publish', number: 'right', by: 0 } as const
    for (const [place, group] of groups.entries())
      for (let job = group.unended(); job !== undefined; job = group.unended()) {
        const by = personOf(group, 0)
        await alone(
          job.state === 'held'
            ? requests.decide(calls, { group, job }, by, { ...rest, place })
            : requests.goOn(calls, group, job),
        )
      }
    for (const message of calls.enqueued.splice(0)) await requests.consumed(calls, message)
    const done: Done[] = []
    for (const group of groups)
      for (const job of group.jobs) done.push(await perform(requests.goOn(calls, group, job)))
    await look(done, false)
  }

  /** Of what has ended no file is left. */
  const checkFiles = async (): Promise<void> => {
    for (const { workspace } of groups) {
      const db = await databaseOf(workspace)
      const ended = db.prepare('SELECT file_key AS file FROM jobs WHERE workspace_id = ?')
      const { results } = await ended.bind(workspace).all<{ file: string }>()
      const { objects } = await env.FILES.list({ prefix: `uploads/${workspace}/` })
      const left = new Set(objects.map(({ key }) => key))
      expect(results.filter(({ file }) => left.has(file))).toEqual([])
    }
  }

  return { ...calls, checkFiles, groups, sendings, log, take, settle, personOf }
}

export type SafetyScene = Awaited<ReturnType<typeof safetyScene>>

const fails = (): never => {
  throw new Error('there is none')
}

/** One request twice at once: one is done, and the other is answered the same. */
function areTwins(done: Done[]): void {
  const [one, other] = done.map(({ answer }) => answer)
  if (one === undefined || other === undefined) return
  expect([one.status, one.text]).toEqual([other.status, other.text])
}

/** Two who may decide about a job that is held: one does, and the other is told. */
function hasOneWinner(done: Done[]): void {
  const [one, other] = done.map(({ attempt }) => attempt.decides)
  if (one === undefined || other === undefined || one.job !== other.job) return
  if (one.mayWin && other.mayWin)
    expect(done.map(({ answer }) => answer?.status).sort()).toEqual([200, 400])
}
