/** Names a row that says what is to be done, so that it may arrive twice, late or in any order. */
export type Message =
  | { kind: 'job'; workspace: number; job: number }
  | { kind: 'import'; workspace: number; job: number }
  | { kind: 'prune'; workspace: number; group: number; after: string }
  | { kind: 'erase'; workspace: number; group: number }
  | { kind: 'recompute'; workspace: number; run: number }
  | { kind: 'erase-definition'; workspace: number; definition: number }
  | { kind: 'deliver'; workspace: number; webhook: number }

/** A message as a log may have it: kind and keys, as its texts may be ids of people. */
export const factsOf = (message: Message) =>
  Object.fromEntries(
    Object.entries(message).filter(([name, value]) => name === 'kind' || typeof value === 'number'),
  )

/** Messages of one `sendBatch` at most (Cloudflare Queues, "Limits"). */
export const sendBatchMost = 100

/** Seconds before a message that failed is tried again: 2, 4, 8 … and at most five minutes. */
export const retryDelay = (attempts: number) => Math.min(2 ** attempts, 300)
