import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { beginInvocation } from './checkpoint.ts'
import { enqueue } from './enqueue.ts'

/** Work that goes on in guarded steps, as its row says: it may be carried on twice, at once, or die anywhere. */
export interface Work<Row> {
  message: Message
  /** The row as it stands now; undefined once it is gone. */
  find: () => Promise<Row | undefined>
  hasEnded: (row: Row) => boolean
  /** Takes the work one step further. False: it must wait, or someone else moved it. */
  step: (row: Row, isOutOfTime: () => boolean) => Promise<boolean>
  /** What follows its end. Safe to repeat. */
  afterwards: (row: Row) => Promise<void>
}

/** Carries work on from where it stands, until it has ended or the invocation has gone on long enough. */
export async function carryOn<Row>(
  res: Resources,
  { message, find, hasEnded, step, afterwards }: Work<Row>,
): Promise<void> {
  const isOutOfTime = beginInvocation(res)
  for (;;) {
    const row = await find()
    if (row === undefined) return
    if (hasEnded(row)) return afterwards(row)
    if (isOutOfTime()) return enqueue(res, message)
    if (!(await step(row, isOutOfTime))) return
  }
}
