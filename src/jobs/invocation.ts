import type { Resources } from '../resources.ts'
import { batchTime, firstItems, itemsMin, nextItems } from './batch-size.ts'
import type { Interruptible } from './interruptible.ts'
import type { Job } from './job.ts'
import { letOthersIn } from './let-others-in.ts'
import { othersWait } from './others.ts'

/** Milliseconds, and statements, of which D1 allows an invocation 1,000. */
const timeMax = 20_000
const statementsMax = 900

type Needed = Pick<Resources, 'now' | 'meter' | 'limits' | 'databaseOf'>

/** What one invocation may do of some work: for so long, in batches of so many items. */
export class Invocation {
  readonly #res: Needed
  readonly #workspace: number | undefined
  readonly #until: number
  #lookAt: number
  #othersWait = false
  #items: number | undefined

  /** With a workspace it ends sooner where another one waits. */
  constructor(res: Needed, workspace?: number) {
    this.#res = res
    this.#workspace = workspace
    this.#until = res.now() + timeMax
    this.#lookAt = res.now() + res.limits.turnMs
  }

  isOutOfTime(): boolean {
    const { now, meter } = this.#res
    return this.#othersWait || now() > this.#until || meter.statements > statementsMax
  }

  /** Items of the next batch, which is the first one with `first`. */
  items(first: number): number {
    return (this.#items ??= first)
  }

  /** The same for a job; fewer where the step before was long ago, as the next may have timed out. */
  itemsOf({ batchItems, updatedAt }: Pick<Job, 'batchItems' | 'updatedAt'>): number {
    return this.items(firstItems(batchItems, this.#res.now() - updatedAt))
  }

  /** The next batch of a job has no more items than this. */
  limitNext(job: Pick<Job, 'batchItems' | 'updatedAt'>, items: number): void {
    this.#items = Math.min(this.itemsOf(job), items)
  }

  /** Adapts to a batch of so many items, and leaves the database to what waits for it. */
  async took(ms: number, items: number): Promise<void> {
    if (items > 0) this.#items = this.#itemsAfter(ms, items)
    await letOthersIn(ms)
    if (this.#workspace === undefined || this.#res.now() < this.#lookAt) return
    this.#lookAt = this.#res.now() + this.#res.limits.turnMs
    this.#othersWait = await othersWait(this.#res, this.#workspace)
  }

  /** The last batch of a slice may have few items, which is no reason for small ones. */
  #itemsAfter(ms: number, items: number): number {
    const before = this.items(items)
    const next = Math.max(nextItems(items, ms), Math.min(before, itemsMin))
    return ms < batchTime ? Math.max(before, next) : next
  }

  /** Does the work while other requests of the isolate go on. */
  async runYielding<Result>(work: Interruptible<Result>): Promise<Result> {
    for (;;) {
      const { done, value } = work.next()
      if (done === true) return value
      await scheduler.wait(0)
    }
  }
}
