import type { Actor } from './actor.ts'

/** May arrive twice, late or in any order: it names a row that says what is to be done, or says since when. */
export type Message = Work & Sent

/** What a cron does on a shard, where there are several. */
export interface CronMessage extends Sent {
  kind: 'cron'
  cron: string
  /** When it was due, in milliseconds. */
  at: number
}

/** Whatever comes from a queue. */
export type Queued = Message | CronMessage

interface Sent {
  /** The shard of its workspace, where there are several; missing in older messages. */
  shard?: number | undefined
  /** How often it was sent again because the database was out. */
  waited?: number
  /** Sent by a cron, which comes again. */
  stalled?: boolean
  /** Of work that a cron opened, and nobody waits for. */
  scheduled?: boolean | undefined
  /** It has let other workspaces go first, and now has its turn. */
  hasLetOthersGo?: boolean
}

/** What a message of a kind says. */
export type MessageOf<Kind extends Message['kind']> = Omit<Extract<Message, { kind: Kind }>, 'kind'>

type Work =
  | { kind: 'job'; workspace: number; job: number }
  | { kind: 'import'; workspace: number; job: number }
  | { kind: 'prune'; workspace: number; group: number; after: string; through?: number }
  | { kind: 'erase'; workspace: number; group: number }
  | { kind: 'recompute'; workspace: number; run: number }
  | { kind: 'erase-definition'; workspace: number; definition: number }
  | { kind: 'refresh-groups'; workspace: number; definition: number }
  | { kind: 'erase-people'; workspace: number; erasure: number }
  | { kind: 'deliver'; workspace: number; webhook: number }
  | { kind: 'balance'; workspace: number; experiment: number }
  | { kind: 'erase-experiment'; workspace: number; experiment: number }
  | { kind: 'move'; workspace: number; move: number }
  | ReportsMessage
  | ExposuresMessage

/** Reports of users that came in one request, at `taken` in milliseconds. */
export interface ReportsMessage {
  kind: 'reports'
  workspace: number
  taken: number
  reports: SentReport[]
  /** Who has sent them; missing in older messages. */
  by?: Actor
}

/** A report as it travels; null deletes an attribute, and digits are of a number beyond a double. */
export interface SentReport {
  user: string
  at: number
  changes: [name: string, to: string | number | boolean | string[] | { digits: string } | null][]
}

/** Exposures that came in one request, at `taken` in milliseconds. */
export interface ExposuresMessage {
  kind: 'exposures'
  workspace: number
  taken: number
  exposures: SentExposure[]
  by: Actor
}

/** Of what is in no table before it is written. */
export type EventsMessage = ReportsMessage | ExposuresMessage

export const isOfEvents = (message: Queued): message is Message & EventsMessage =>
  message.kind === 'reports' || message.kind === 'exposures'

/** An exposure as it travels, by the keys of what it names. */
export interface SentExposure {
  experiment: number
  version: number
  participant: string
  variant: string
  at: number
}

/** A message as a log may have it: kind and keys, as its texts may be ids of people. */
export const factsOf = (message: Queued) =>
  Object.fromEntries(
    Object.entries(message).filter(([name, value]) => name === 'kind' || typeof value === 'number'),
  )

/** The flag of work whose row says whether a cron opened it. */
export const flagOf = (scheduled: number | boolean | undefined): Pick<Message, 'scheduled'> =>
  Boolean(scheduled) ? { scheduled: true } : {}

/** Messages of one `sendBatch` at most (Cloudflare Queues, "Limits"). */
export const sendBatchMost = 100

/** Bytes of the items of a message, and of a `sendBatch`, which take 128 and 256 KB with what is around. */
const messageBytesMost = 120_000
const sendBatchBytesMost = 240_000

/**
 * Items for as few messages as they fit in; undefined where one is too large for a message, or all
 * of them for one `sendBatch`.
 */
export function forMessages<Item>(items: Item[]): Item[][] | undefined {
  const messages: Item[][] = []
  let [ofMessage, ofAll] = [messageBytesMost, 0]
  for (const item of items) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1 // and its comma
    ofMessage += bytes
    ofAll += bytes
    if (bytes > messageBytesMost || ofAll > sendBatchBytesMost) return undefined
    if (ofMessage > messageBytesMost) {
      messages.push([])
      ofMessage = bytes
    }
    messages.at(-1)?.push(item)
  }
  return messages
}

/** Seconds before a message that failed is tried again: 2, 4, 8 … and at most five minutes. */
export const retryDelay = (attempts: number) => Math.min(2 ** attempts, 300)

/** Times that a message is tried again after failing by itself: see `max_retries` of `wrangler.toml`. */
const retriesMost = 8

/** Milliseconds within which work that was moved is not given up: the last pause between attempts. */
export const revivedWithin = 1000 * retryDelay(retriesMost)

/** Seconds before a message is sent again while the database is out: at most an hour. */
const waitDelay = (waited: number) => Math.min(2 ** (waited + 1), 3600)

/** Nine and a half days: an error that has not passed by then does not pass. */
const waitsMost = 240

/** Attempts at what a cron sends again, which take a minute. */
const soonMost = 5

/** Times that a dead letter is tried again: see `max_retries` of `wrangler.toml`; hourly, nearly four days. */
const deadRetriesMost = 100

/** What becomes of a message that failed. */
export type Sequel =
  | { then: 'retry'; delaySeconds: number }
  | { then: 'send-again'; message: Queued; delaySeconds: number }
  /** A cron comes again. */
  | { then: 'let-go' }
  /** It is lost. */
  | { then: 'give-up' }

/** What fails by itself is retried, and the queue counts; what waits for the database is sent again. */
export function sequelOf(
  message: Queued,
  { attempts, passing, dead }: { attempts: number; passing: boolean; dead: boolean },
): Sequel {
  const { waited = 0, stalled = false, kind } = message
  const onlyHere = isOfEvents(message)
  if (dead && onlyHere && attempts > deadRetriesMost) return { then: 'give-up' }
  if (dead && (passing || onlyHere)) return { then: 'retry', delaySeconds: waitDelay(attempts - 1) }
  if (!passing || dead || waited >= waitsMost)
    return { then: 'retry', delaySeconds: retryDelay(attempts) }
  if (!stalled && kind !== 'deliver')
    return {
      then: 'send-again',
      message: { ...message, waited: waited + 1 },
      delaySeconds: waitDelay(waited),
    }
  return attempts < soonMost
    ? { then: 'retry', delaySeconds: retryDelay(attempts) }
    : { then: 'let-go' }
}
