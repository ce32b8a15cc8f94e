import type { Actor } from '../actor.ts'
import type { Cost } from '../db/connect.ts'
import { isPassing, OutOfTime } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { firstUpTo } from './batch-size.ts'
import { Invocation } from './invocation.ts'

interface Sent {
  kind: string
  workspace: number
  by?: Actor
}

/** How messages of a kind are written. */
export interface Writing<Message extends Sent> {
  /** Rows that a message writes at most. Throws where it cannot be read. */
  rowsOf: (message: Message) => number
  /** Writes messages of a workspace as one batch; gives its cost, and counts for the log. */
  write: (
    res: Resources,
    workspace: number,
    messages: Message[],
  ) => Promise<{ cost: Cost; counts: Record<string, number> }>
}

/** Rows of an invocation's first batch, which take some forty milliseconds. */
const firstRows = 3000

/**
 * Writes messages, those of a workspace together, in batches that are short. Gives those that
 * failed, with why: one that fails by itself keeps no other from being written.
 */
export async function writeMessages<Message extends Sent>(
  res: Resources,
  messages: Message[],
  { write, ...writing }: Writing<Message>,
): Promise<Map<Message, unknown>> {
  const rowsOf = readable(writing.rowsOf)
  const failed = new Map<Message, unknown>()
  const invocation = new Invocation(res)
  /** The error that stops the rest. */
  let halt: unknown
  const writeTogether = async (some: Message[]): Promise<void> => {
    const [{ kind, workspace } = { kind: '', workspace: 0 }] = some
    const { cost, counts } = await write(res, workspace, some)
    const facts = { event: kind, workspace, messages: some.length, ...counts }
    console.info(JSON.stringify({ ...facts, ...cost }))
    res.measure({ kind: 'step', work: kind, state: 'written', ...cost })
    await invocation.took(cost.ms, rowsOfAll(some, rowsOf))
  }
  const attempt = async (some: Message[]): Promise<void> => {
    if (invocation.isOutOfTime()) halt ??= new OutOfTime('the invocation is out of time')
    const fault = halt ?? (await writeTogether(some).catch(errorOf))
    if (fault === undefined) return
    if (isPassing(fault)) halt = fault
    if (halt === undefined && some.length > 1) for (const one of some) await attempt([one])
    else for (const one of some) failed.set(one, fault)
  }
  for (const ofOne of smallestFirst(messages, rowsOf))
    for (let from = 0; from < ofOne.length;) {
      const some = firstUpTo(ofOne.slice(from), rowsOf, invocation.items(firstRows))
      await attempt(some)
      from += some.length
    }
  return failed
}

type RowsOf<Message> = (message: Message) => number

/** Infinity for a message that cannot be read, so that it is written alone. */
const readable =
  <Message>(rowsOf: RowsOf<Message>): RowsOf<Message> =>
  (message) => {
    try {
      return rowsOf(message)
    } catch {
      return Infinity
    }
  }

/** The messages of each workspace: one that sends much may take all the time of an invocation. */
const smallestFirst = <Message extends Sent>(
  messages: Message[],
  rowsOf: RowsOf<Message>,
): Message[][] =>
  [...Map.groupBy(messages, ({ workspace }) => workspace).values()].sort(
    (a, b) => rowsOfAll(a, rowsOf) - rowsOfAll(b, rowsOf),
  )

const errorOf = (error: unknown): unknown => error

const rowsOfAll = <Message>(messages: Message[], rowsOf: RowsOf<Message>): number =>
  messages.reduce((rows, message) => rows + rowsOf(message), 0)

/** Who has sent so many items. */
export interface Sender {
  actor: Actor
  items: number
}

/** The clients of messages; of one with several requests, only what these have in common. */
export function sendersOf<Message extends Sent>(
  { actor }: Resources,
  messages: Message[],
  itemsOf: (message: Message) => number,
): Sender[] {
  const clients = Map.groupBy(messages, ({ by = actor }) => by.client)
  return [...clients.values()].map((ofOne) => {
    const items = ofOne.reduce((sum, message) => sum + itemsOf(message), 0)
    const [{ by = actor } = {}] = ofOne
    const { client, name, method } = by
    const common = {
      ...(client !== undefined && { client }),
      name,
      ...(method !== undefined && { method }),
    }
    return { actor: ofOne.length === 1 ? by : common, items }
  })
}
