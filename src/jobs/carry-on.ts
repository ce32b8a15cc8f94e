import type { Message } from '../messages.ts'
import type { Resources } from '../resources.ts'
import { enqueue } from './enqueue.ts'
import { Invocation } from './invocation.ts'

/** Work in guarded steps: it may be carried on twice, at once, or die anywhere. */
export interface Work<Row> {
  message: Message
  /** The row as it is now; undefined once it is deleted. */
  find: () => Promise<Row | undefined>
  hasEnded: (row: Row) => boolean
  /** Takes the work one step further. False: it must wait, or someone else moved it. */
  step: (row: Row, invocation: Invocation) => Promise<boolean>
  /** Follows the end; `found`: it had ended before this message. Safe to repeat. */
  afterwards: (row: Row, found: boolean) => Promise<void>
}

/** Carries work on until it has ended, or the invocation is out of time and enqueues the rest. */
export async function carryOn<Row>(
  res: Resources,
  { message, find, hasEnded, step, afterwards }: Work<Row>,
): Promise<void> {
  const invocation = invocationFor(res, message)
  for (let found = true; ; found = false) {
    const row = await find()
    if (row === undefined) return
    if (hasEnded(row)) return afterwards(row, found)
    if (invocation.isOutOfTime()) return enqueue(res, message)
    if (!(await step(row, invocation))) return
  }
}

/** Repeats a step until it gives false, or the invocation is out of time and enqueues the rest. */
export async function carryOnSteps(
  res: Resources,
  message: Message,
  step: (invocation: Invocation) => Promise<boolean>,
): Promise<void> {
  const invocation = invocationFor(res, message)
  while (!invocation.isOutOfTime()) if (!(await step(invocation))) return
  await enqueue(res, message)
}

/** Nobody waits for the place of what a cron opened, which has a queue of its own. */
const invocationFor = (res: Resources, { workspace, scheduled = false }: Message) =>
  new Invocation(res, scheduled ? undefined : workspace)
