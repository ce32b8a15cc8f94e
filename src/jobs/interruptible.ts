/** Work that would hold the thread for long: it yields after some milliseconds of it. */
export type Interruptible<Result> = Generator<void, Result>

/** Does the work in one go. */
export function runAtOnce<Result>(work: Interruptible<Result>): Result {
  for (;;) {
    const { done, value } = work.next()
    if (done === true) return value
  }
}
