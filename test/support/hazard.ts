import { env } from 'cloudflare:workers'
import type { UploadPart } from '../../src/jobs/upload.ts'
import type { Message } from '../../src/messages.ts'
import { resources, type Env, type Resources } from '../../src/resources.ts'
import { strictDatabase } from './strict.ts'

/** The database failed: before the call had its effect, or after. */
export class Crash extends Error {}

/** The database's call `at` from now, or such a write, fails or sleeps until `until` settles. */
export type Fuse = { at: number; only?: 'writes' } & (
  | { when: 'before' | 'after'; /** So do all calls after it. */ lasting?: boolean }
  | { until: Promise<unknown>; fallen: () => void }
)

const reads = /^\s*(select|with)\b/i

// A test has one `Resources` for many invocations.
const uncounted = { statements: -Infinity }

/**
 * The real rooms, database and bucket, with queues that a test delivers itself, and a database that
 * can fail.
 */
export function hazardous(
  vars: Partial<Env> = {},
  hands: Partial<Pick<Resources, 'fetch' | 'now'>> = {},
): {
  res: Resources
  enqueued: Message[]
  /** What was enqueued webhooks. */
  deliveriesEnqueued: Message[]
  /** What enqueues webhooks after so many seconds. */
  delayed: { message: Message; seconds: number }[]
  /** What the database says each statement of a batch has taken from now on, in milliseconds. */
  takes: (ms: number) => void
  /** Whether the queues refuse whatever they are sent. */
  silence: (silent: boolean) => void
  fuse: (fuse: Fuse | undefined) => void
  /** What is done after each call of the database, before its answer arrives. */
  meanwhile: (what: (() => Promise<void>) | undefined) => void
} {
  const enqueued: Message[] = []
  let lit: Fuse | undefined
  let between: (() => Promise<void>) | undefined
  const guarded = async <T>(run: () => Promise<T>, writes = true): Promise<T> => {
    const answer = await burning(run, writes)
    await between?.()
    return answer
  }
  const burning = async <T>(run: () => Promise<T>, writes: boolean): Promise<T> => {
    if (lit === undefined || (lit.only === 'writes' && !writes) || lit.at-- > 0) return run()
    const burnt = lit
    lit = undefined
    if ('until' in burnt) {
      burnt.fallen()
      await burnt.until
      return run()
    }
    const { when, lasting = false } = burnt
    if (lasting) lit = { ...burnt, at: 0 }
    if (when === 'after') await run()
    throw new Crash(`the database was lost ${when} a call`)
  }
  const watched = (statement: D1PreparedStatement, writes: boolean): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, key) {
        if (key === 'bind') return (...values: unknown[]) => watched(target.bind(...values), writes)
        if (key === 'all') return () => guarded(() => target.all(), writes)
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  let duration: number | undefined
  const timed = (result: D1Result): D1Result =>
    duration === undefined ? result : { ...result, meta: { ...result.meta, duration } }
  const db = {
    prepare: (query: string) => watched(env.DB.prepare(query), !reads.test(query)),
    batch: (statements: D1PreparedStatement[]) =>
      guarded(async () => (await env.DB.batch(statements)).map(timed)),
  }
  const deliveriesEnqueued: Message[] = []
  const delayed: { message: Message; seconds: number }[] = []
  let silent = false
  const queue = (kept: Message[], afterwards?: typeof delayed) => {
    const keep = (messages: { body: Message; delaySeconds?: number }[]) => {
      if (silent) throw new Error('the queue is silent')
      if (messages.length > 100) throw new Error('a queue takes a hundred messages at a time')
      for (const { body, delaySeconds = 0 } of messages)
        if (delaySeconds > 0 && afterwards !== undefined)
          afterwards.push({ message: body, seconds: delaySeconds })
        else kept.push(body)
    }
    return {
      send: async (body: Message) => keep([{ body }]),
      sendBatch: async (messages: { body: Message }[]) => keep(messages),
    }
  }
  // Only what `connect`, `enqueue` and `enqueueDeliveries` call is there.
  const real = resources({
    ...env,
    ...vars,
    DB: strictDatabase(db as unknown as D1Database, uncounted),
    WORK: queue(enqueued) as unknown as Queue<Message>,
    DELIVERIES: queue(deliveriesEnqueued, delayed) as unknown as Queue<Message>,
  })
  return {
    res: { ...real, ...hands },
    enqueued,
    deliveriesEnqueued,
    delayed,
    takes: (ms) => (duration = ms),
    silence: (now) => (silent = now),
    fuse: (fuse) => (lit = fuse),
    meanwhile: (what) => (between = what),
  }
}

/** Each point where an invocation may die: before a call is after the call before it. */
export function* failures(calls: number): Generator<{ at: number; when: 'before' | 'after' }> {
  yield { at: 0, when: 'before' }
  for (let at = 0; at < calls; at++) yield { at, when: 'after' }
}

/** What an invocation ends with that the fuse has killed. */
export function unlessCrash(error: unknown): void {
  if (!(error instanceof Error) || !(error instanceof Crash || error.cause instanceof Crash))
    throw error
}

/** An upload as it arrives from the door. */
export async function* parts(type: string, content: string): AsyncGenerator<UploadPart> {
  yield { field: 'type', value: type }
  yield* fileParts(content)
}

/** The same without a type. */
export async function* fileParts(content: string): AsyncGenerator<UploadPart> {
  yield { file: 'people.csv', contentType: 'text/csv' }
  yield { bytes: new TextEncoder().encode(content) }
}
