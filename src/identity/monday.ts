import type { Resources } from '../resources.ts'
import { enqueueAll } from '../jobs/enqueue.ts'
import { openWeeklyRuns } from './runs.ts'
import { weekOf } from './week.ts'

/** As many as one `sendBatch` takes. */
const most = 100

/**
 * Opens the run of the week that `at` is in (milliseconds) for every definition that was there at `at`, and enqueues it. A week has
 * one run of a definition, however often this is called.
 */
export async function beginWeek(res: Resources, at: number): Promise<void> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const { opened, next } = await openWeeklyRuns(res.directory, weekOf(at), {
      before: at,
      after,
      most,
      now: res.now(),
    })
    await enqueueAll(
      res,
      opened.map((run) => ({ kind: 'recompute', ...run })),
    )
    after = next
  }
}
