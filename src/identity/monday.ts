import type { Resources } from '../resources.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { openWeeklyRuns } from './runs.ts'
import { weekOf } from './week.ts'

/** As many as one `sendBatch` takes. */
const runsPerBatch = 100

/**
 * Opens and enqueues the run of the week of `at` (milliseconds) for each definition that was there.
 * Safe to repeat.
 */
export async function beginWeek(res: Resources, at: number): Promise<void> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const { opened, next } = await openWeeklyRuns(res, {
      week: weekOf(at),
      before: at,
      after,
      most: runsPerBatch,
    })
    await enqueueAll(
      res,
      opened.map((run) => ({ kind: 'recompute', ...run })),
    )
    after = next
  }
}
