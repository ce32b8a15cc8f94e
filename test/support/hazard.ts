import { env } from 'cloudflare:workers'
import type { UploadPart } from '../../src/jobs/upload.ts'
import type { Message } from '../../src/messages.ts'
import type { Env, Resources } from '../../src/resources.ts'
import { strictDatabase, strictQueue } from './strict.ts'
import { databases, homeResources } from './databases.ts'
import { everyCall } from './property.ts'

/** A call failed: before it had its effect, or after. */
export class Crash extends Error {}

/** The binding's call `at` from now fails before its effect, or loses its answer after it. */
export interface Fault {
  /** The database where it says nothing. */
  of?: 'files' | 'queues'
  at: number
  when: 'before' | 'after'
}

/** The call `at` from now, or such a write, fails or sleeps until `until` settles. */
export type Fuse = { at: number; only?: 'writes' } & (
  | (Fault & { /** So do all calls after it. */ lasting?: boolean })
  | { until: Promise<unknown>; fallen: () => void }
)

const reads = /^\s*(select|with)\b/i

// A test has one `Resources` for many invocations.
const uncounted = { statements: -Infinity }

/**
 * The real rooms, database and bucket, with queues that a test delivers itself; each of their calls
 * can fail.
 */
export function hazardous(
  vars: Partial<Env> = {},
  hands: Partial<Pick<Resources, 'fetch' | 'now'>> = {},
): {
  res: Resources
  /** The same as bindings, for requests and messages. */
  bound: Env
  /** To both queues of work. */
  enqueued: Message[]
  /** What was enqueued webhooks. */
  deliveriesEnqueued: Message[]
  /** Reports that were taken, as messages. */
  reportsEnqueued: Message[]
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
  const burning = async <T>(
    run: () => Promise<T>,
    writes: boolean,
    of?: Fault['of'],
  ): Promise<T> => {
    if (lit === undefined || ofFuse(lit) !== of || (lit.only === 'writes' && !writes)) return run()
    if (lit.at-- > 0) return run()
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
    throw new Crash(`the ${of ?? 'database'} failed ${when} a call`)
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
  const failingOf = (db: D1Database): D1Database => {
    const queried = {
      prepare: (query: string) => watched(db.prepare(query), !reads.test(query)),
      batch: (statements: D1PreparedStatement[]) =>
        guarded(async () => (await db.batch(statements)).map(timed)),
    }
    const session = { ...queried, getBookmark: () => null }
    const only = { ...queried, withSession: () => session } as unknown as D1Database // what is called
    return strictDatabase(only, uncounted)
  }
  const [DB = env.DB, ...others] = databases().map(failingOf)
  const deliveriesEnqueued: Message[] = []
  const reportsEnqueued: Message[] = []
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
      send: (body: Message) => burning(async () => keep([{ body }]), true, 'queues'),
      sendBatch: (messages: { body: Message }[]) =>
        burning(async () => keep(messages), true, 'queues'),
    }
  }
  // Only what `connect` and what enqueues call is there.
  const bound: Env = {
    ...env,
    // What other tests leave waiting ends no invocation here.
    TURN_MS: 60_000,
    ...vars,
    FILES: failing(vars.FILES ?? env.FILES, (run) => burning(run, true, 'files')),
    DB,
    ...Object.fromEntries(others.map((db, i) => [`DB_${i + 1}`, db])),
    WORK: queue(enqueued) as unknown as Queue<Message>,
    SCHEDULED: queue(enqueued) as unknown as Queue<Message>,
    DELIVERIES: queue(deliveriesEnqueued, delayed) as unknown as Queue<Message>,
    EVENTS: strictQueue(queue(reportsEnqueued) as unknown as Queue<Message>),
  }
  return {
    res: { ...homeResources(bound), ...hands },
    bound,
    enqueued,
    deliveriesEnqueued,
    reportsEnqueued,
    delayed,
    takes: (ms) => (duration = ms),
    silence: (now) => (silent = now),
    fuse: (fuse) => (lit = fuse),
    meanwhile: (what) => (between = what),
  }
}

const ofFuse = (fuse: Fuse) => ('of' in fuse ? fuse.of : undefined)

type Burning = <T>(run: () => Promise<T>) => Promise<T>

const fallible = new Set<string | symbol>([
  ...['get', 'head', 'put', 'delete', 'createMultipartUpload'],
  ...['uploadPart', 'complete', 'abort'],
])

/** A bucket, or an upload to it, each of whose calls may fail. */
function failing<Of extends object>(bucket: Of, burning: Burning): Of {
  return new Proxy(bucket, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (key === 'resumeMultipartUpload')
        return (...given: unknown[]) =>
          failing(Object(Reflect.apply(value, target, given)), burning)
      if (!fallible.has(key)) return value.bind(target)
      return (...given: unknown[]) =>
        burning(async () => {
          const answer: unknown = await Reflect.apply(value, target, given)
          return key === 'createMultipartUpload' ? failing(Object(answer), burning) : answer
        })
    },
  })
}

/** Each point where an invocation may die: before a call is after the call before it. */
export function* failures(calls: number): Generator<{ at: number; when: 'before' | 'after' }> {
  yield { at: 0, when: 'before' }
  for (let at = 0; at < calls; at += everyCall) yield { at, when: 'after' }
}

/** What an invocation ends with that the fuse has killed. */
export function unlessCrash(error: unknown): void {
  if (!(error instanceof Error) || !(error instanceof Crash || error.cause instanceof Crash))
    throw error
}

/** Repeats a request that dies of a fault, as its client does; one that died has left nothing. */
export async function insisting<T>(
  { fuse }: Pick<ReturnType<typeof hazardous>, 'fuse'>,
  fault: Fault | null,
  request: () => Promise<T>,
): Promise<T> {
  fuse(fault === null ? undefined : { ...fault })
  const answer = await request().catch(unlessCrash)
  fuse(undefined)
  return answer ?? request()
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
