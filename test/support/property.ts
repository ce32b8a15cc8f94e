import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { TestRunner } from 'vitest'

/** Seconds for which a soak runs each property, and its seed; none in the suite. */
const seconds = Number(env.SOAK_SECONDS)

/** How often a property runs: a few times, or as long as a soak; shrinking is limited. */
export const runs = (few: number) =>
  seconds > 0
    ? { numRuns: 1_000_000_000, interruptAfterTimeLimit: 1000 * seconds }
    : { numRuns: few, interruptAfterTimeLimit: 25_000 }

/** Of the calls that something may happen before, how many a test goes on by: in a soak, all. */
export const everyCall = seconds > 0 ? 1 : 2

/** Counts the histories that each test has seen, for the soak to sum up. */
const count = () => {
  const test = TestRunner.getCurrentTest()
  if (test !== undefined) test.meta.histories = (test.meta.histories ?? 0) + 1
}

declare module 'vitest' {
  interface TaskMeta {
    histories?: number
  }
}

if (seconds > 0) fc.configureGlobal({ seed: Number(env.SOAK_SEED), beforeEach: count })
