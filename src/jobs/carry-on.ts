import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { startTimeLimit } from './checkpoint.ts'
import { enqueue } from './enqueue.ts'

/** Work in guarded steps: it may be carried on twice, at once, or die anywhere. */
export interface Work<Row> {
  message: Message
  /** The row as it is now; undefined once it is deleted. */
  find: () => Promise<Row | undefined>
  hasEnded: (row: Row) => boolean
  /** Takes the work one step further. False: it must wait, or someone else moved it. */
  step: (row: Row, isOutOfTime: () => boolean) => Promise<boolean>
  /** What follows the end. Safe to repeat. */
  afterwards: (row: Row) => Promise<void>
}

/** Carries work on until it has ended, or the invocation is out of time and enqueues the rest. */
export async function carryOn<Row>(
  res: Resources,
  { message, find, hasEnded, step, afterwards }: Work<Row>,
): Promise<void> {
  const isOutOfTime = startTimeLimit(res)
  for (;;) {
    const row = await find()
    if (row === undefined) return
    if (hasEnded(row)) return afterwards(row)
    if (isOutOfTime()) return enqueue(res, message)
    if (!(await step(row, isOutOfTime))) return
  }
}

const unguardedStepsMax = 50

/** Repeats a step until it gives false; enqueues the rest. */
export async function carryOnSteps(
  res: Resources,
  message: Message,
  step: () => Promise<boolean>,
): Promise<void> {
  for (let steps = 0; steps < unguardedStepsMax; steps++) if (!(await step())) return
  await enqueue(res, message)
}
