import type { Env } from '../../src/resources.ts'

/** What a call is of: the database by name of the session, a bucket, a queue. */
type Binding =
  'primary' | `session, ${string}` | 'FILES' | 'WORK' | 'SCHEDULED' | 'DELIVERIES' | 'EVENTS'

/** Bindings whose calls are slow, and known while they are under way and afterwards. */
export interface Watched {
  slow: Env
  /** In the order in which they were begun. */
  begun: { binding: Binding; what: string }[]
  underWay: () => string[]
}

const reads = /^\s*(SELECT|WITH)/i

/** Milliseconds that a call is delayed: longer than all calls after it together. */
const delayOf = (before: number) => Math.max(4, 64 / 2 ** before)

/** Bindings so slow that what is not awaited is still under way after the answer. */
export function watched(bound: Env): Watched {
  const begun: Watched['begun'] = []
  const now = new Set<string>()
  let slowed = 0
  const slowly = async <T>(binding: Binding, what: string, run: () => Promise<T>): Promise<T> => {
    const name = `${begun.length}: ${binding} ${what}`
    begun.push({ binding, what })
    now.add(name)
    try {
      if (!reads.test(what)) await scheduler.wait(delayOf(slowed++))
      return await run()
    } finally {
      now.delete(name)
    }
  }
  const slow = {
    ...bound,
    DB: {
      ...database('primary', bound.DB, slowly),
      withSession: (from = '') => {
        const session = bound.DB.withSession(from)
        const getBookmark = () => session.getBookmark()
        return { ...database(`session, ${from}`, session, slowly), getBookmark }
      },
    } as unknown as D1Database, // what `connect` and `resources` call is there
    FILES: every('FILES', bound.FILES, slowly),
    WORK: every('WORK', bound.WORK, slowly),
    SCHEDULED: every('SCHEDULED', bound.SCHEDULED, slowly),
    DELIVERIES: every('DELIVERIES', bound.DELIVERIES, slowly),
    EVENTS: every('EVENTS', bound.EVENTS, slowly),
  }
  return { slow, begun, underWay: () => [...now] }
}

type Slowly = <T>(binding: Binding, what: string, run: () => Promise<T>) => Promise<T>

function database(
  binding: Binding,
  db: Pick<D1Database, 'prepare' | 'batch'>,
  slowly: Slowly,
): Pick<D1Database, 'prepare' | 'batch'> {
  const watch = (query: string, statement: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, key) {
        if (key === 'bind') return (...values: unknown[]) => watch(query, target.bind(...values))
        if (key === 'all' || key === 'run') return () => slowly(binding, query, () => target[key]())
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return {
    prepare: (query) => watch(query, db.prepare(query)),
    batch: (statements) => slowly(binding, 'batch', () => db.batch(statements)),
  }
}

/** The same binding, of which every call is slow. */
function every<Bound extends object>(binding: Binding, bound: Bound, slowly: Slowly): Bound {
  return new Proxy(bound, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (key === 'resumeMultipartUpload')
        return (...given: unknown[]) =>
          every(binding, Object(Reflect.apply(value, target, given)), slowly)
      return (...given: unknown[]) =>
        slowly(binding, String(key), async () => Reflect.apply(value, target, given) as unknown)
    },
  })
}
