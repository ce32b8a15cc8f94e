import { expect } from 'vitest'
import { lost, type Answer } from './safety-calls.ts'

// What a group must be, in memory: plain sets, and what each of its jobs may become.

export type People = ReadonlySet<string>
export type Move = 'publish' | 'cancel'

/** What a request asks of a group. */
export interface Wish {
  type: 'ADD' | 'REMOVE' | 'REPLACE' | 'REVERT'
  ids: readonly string[]
  /** Rows that are refused. */
  badRows: number
  isPreview: boolean
  percent: number | null
  by: string
  /** Of each file another one. */
  fileName: string
  sha256: string | null
}

/** A job, and in `held` with what it would change of how many. */
export interface ModelJob extends Wish {
  id: string
  revision: number
  /** The revision that was live when a revert was asked for. */
  reverts: number
  state: string
  failure: string | null
  outcome?: Outcome
  /** By which share it was held, of how many; several where a guard changed at that moment. */
  held?: Holding[]
}

interface Holding {
  percent: number
  size: number
}

interface Outcome {
  after: People
  added: string[]
  removed: string[]
  rows: number
  failure: string | null
}

interface LiveRevision {
  job: ModelJob
  size: number
}

/** A job as the database has it. */
export interface JobSeen {
  id: string
  revision: number
  state: string
  failure: string | null
  fileName: string
}

/** What has happened since the last look. */
export interface Meanwhile {
  guards: (number | null)[]
  moves: { job: ModelJob; move: Move; by: string; answer: Answer }[]
  givenUp: Set<string>
  /** Several things at once, so that some may have come and gone between. */
  isMixed: boolean
}

const states: Record<string, string> = {
  applying: 'running',
  writing: 'running',
  sweeping: 'running',
}
const ended = new Set(['successful', 'partial', 'failed', 'cancelled'])
export const hasEnded = ({ state }: Pick<ModelJob, 'state'>) => ended.has(state)
export const isCancelled = ({ failure, state }: Pick<ModelJob, 'state' | 'failure'>) =>
  failure === 'cancelled' || state === 'cancelled'

/** Whether so many of a group may only go by a publication that names them. */
export const isTooMany = (removed: number, { percent, size }: Holding) =>
  size >= 100 && 100 * removed > percent * size

export class ModelGroup {
  members: People = new Set()
  before: People = new Set()
  live = 0
  liveBefore = 0
  guard: number | null = null
  readonly jobs: ModelJob[] = []
  readonly revisions: LiveRevision[] = []
  /** What must have been announced, and what may have been. */
  readonly events: string[] = []
  readonly maybe: string[] = []
  readonly id: string
  readonly workspace: number

  constructor(id: string, workspace: number) {
    this.id = id
    this.workspace = workspace
  }

  /** Another text where something else is live or held, or rows are being written. */
  look(): string {
    const running = this.jobs.filter(({ state }) => state === 'running' || state === 'undoing')
    return [this.live, this.held()?.revision, ...running.map(({ revision }) => revision)].join(' ')
  }

  unended = () => this.jobs.find((job) => !hasEnded(job))
  held = () => this.jobs.find(({ state }) => state === 'held')

  open(wish: Wish, { id, revision }: JobSeen, reverts: number): ModelJob {
    expect(revision).toBe(this.jobs.length + 1)
    const job = { ...wish, id, revision, reverts, state: 'waiting', failure: null }
    this.jobs.push(job)
    this.announce('job.created', job, wish.by, { type: wish.type })
    return job
  }

  private announce(type: string, job: ModelJob, by: string, facts: object = {}, to = this.events) {
    to.push(JSON.stringify([type, by, { job_id: job.id, group_id: this.id, ...facts }]))
  }

  /** What a job does to the group as it is now. */
  outcomeOf(job: ModelJob): Outcome {
    const { type, ids, badRows } = job
    const isRevert = type === 'REVERT'
    const named = new Set(ids)
    const after = isRevert
      ? this.before
      : type === 'ADD'
        ? this.members.union(named)
        : type === 'REMOVE'
          ? this.members.difference(named)
          : named
    const rows = isRevert ? after.size : ids.length + badRows
    const ofFile =
      ids.length === 0
        ? 'no-good-row'
        : type === 'REPLACE' && badRows > ids.length
          ? 'mostly-bad'
          : null
    const failure = !isRevert ? ofFile : job.reverts === this.live ? null : 'overtaken'
    return {
      ...{ after, rows, failure },
      added: [...after.difference(this.members)].sort(),
      removed: [...this.members.difference(after)].sort(),
    }
  }

  /** Under which of the guards that it may have met a job is held; undefined: under none. */
  private holding(job: ModelJob, { removed }: Outcome, guards: (number | null)[]) {
    const { size } = this.members
    const all = guards.map((guard) => ({ percent: job.percent ?? guard ?? 100, size }))
    const may = all.filter((one) => job.isPreview || isTooMany(removed.length, one))
    return { may, must: may.length === all.length }
  }

  /** Takes a job to where it is now, if it may be there. */
  observe(job: ModelJob, seen: JobSeen, now: Meanwhile): void {
    const { failure } = seen
    const state = states[seen.state] ?? seen.state
    if (state === job.state && failure === job.failure) return
    const said = JSON.stringify({ job: { ...job, ids: job.ids.length, outcome: undefined }, seen })
    expect(hasEnded(job), said).toBe(false)
    const from = job.state
    if (failure === 'gave-up') {
      if (from !== 'undoing') expect(now.givenUp.has(job.id) && from !== 'held', said).toBe(true)
    } else if (failure === 'cancelled') {
      if (from !== 'undoing') this.cancel(job, now)
    } else {
      const isFirst = this.jobs.every((one) => one.revision >= job.revision || hasEnded(one))
      expect(isFirst, said).toBe(true)
      if (state === 'running') expect(from, said).toBe('waiting')
      else this.finish(job, { state, failure }, now)
    }
    if (state === 'failed') this.announce('job.failed', job, job.by, { reason: failure })
    if (from === 'undoing' && job.failure !== null) expect(failure, said).toBe(job.failure)
    job.state = state
    job.failure = failure
  }

  /** It is held, live, or failed by itself. */
  private finish(job: ModelJob, to: Pick<JobSeen, 'state' | 'failure'>, now: Meanwhile): void {
    const said = JSON.stringify({ ...job, to })
    const outcome = this.outcomeOf(job)
    if (outcome.failure !== null || to.failure !== null) {
      expect(to.failure, said).toBe(outcome.failure)
      expect(['undoing', 'failed'], said).toContain(to.state)
      return
    }
    const { may, must } = this.holding(job, outcome, now.guards)
    const isPublished = now.moves.some(
      (one) => one.job === job && one.move === 'publish' && !one.answer.isRefused,
    )
    const wasHeld = job.state === 'held'
    if (!wasHeld && (to.state === 'held' || must || (may.length > 0 && isPublished))) {
      expect(may.length, said).toBeGreaterThan(0)
      job.outcome = outcome
      job.held = may
      this.announce('job.held', job, job.by, countsOf(outcome))
    }
    if (to.state === 'held') return
    expect(to.state, said).toBe(job.badRows > 0 ? 'partial' : 'successful')
    this.goLive(job, outcome, job.held === undefined ? undefined : winnerOf(job, 'publish', now))
  }

  private goLive(job: ModelJob, outcome: Outcome, publisher: string | undefined): void {
    const { added, removed } = countsOf(outcome)
    const by = publisher ?? job.by
    if (publisher !== undefined) this.announce('job.published', job, by)
    const good = outcome.rows - job.badRows
    const unchanged = good - (job.type === 'REMOVE' ? removed : added)
    const { revision, type } = job
    const facts = { type, revision, added, removed, unchanged, failed: job.badRows }
    this.announce('group.participants.changed', job, by, facts)
    if (type === 'REVERT')
      this.announce('group.reverted', job, by, { reverted: job.reverts, revision })
    job.outcome = outcome
    this.before = this.members
    this.members = outcome.after
    this.liveBefore = this.live
    this.live = revision
    this.revisions.unshift({ job, size: outcome.after.size })
  }

  private cancel(job: ModelJob, now: Meanwhile): void {
    if (job.state !== 'held' && now.isMixed)
      this.announce('job.held', job, job.by, countsOf(this.outcomeOf(job)), this.maybe)
    this.announce('job.cancelled', job, winnerOf(job, 'cancel', now))
  }
}

export const countsOf = ({ added, removed }: Pick<Outcome, 'added' | 'removed'>) => ({
  added: added.length,
  removed: removed.length,
})

/** Who has done it: who was told so, or else whose answer was lost. */
function winnerOf(job: ModelJob, move: Move, { moves }: Meanwhile): string {
  const of = moves.filter((one) => one.job === job && !one.answer.isRefused)
  const told = of.filter(({ answer }) => answer.status === 200)
  const winners = told.length > 0 ? told : of.filter(({ answer }) => answer.status === lost)
  expect(winners.map((one) => one.move)).toEqual([move])
  return winners[0]?.by ?? ''
}
