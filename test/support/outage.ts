import { homeDb } from './databases.ts'
import { watchedCalls } from './watched-calls.ts'

export const overloaded = 'D1_ERROR: D1 DB is overloaded. Requests queued for too long.'

/** The database until `calls` have come; whatever comes after them fails, until it is `restored`. */
export function outAfter(calls: number, message = overloaded) {
  let left = calls
  const answering = <T>(run: () => Promise<T>): Promise<T> =>
    left-- > 0 ? run() : Promise.reject(new Error(message))
  const queried = watchedCalls(answering)
  // What `connect` and `resources` call is there.
  const db = { ...queried, withSession: () => queried } as unknown as D1Database
  return { db, restored: () => void (left = Infinity) }
}

/** The database of which only replicas answer. */
export function primaryOut(message = overloaded): D1Database {
  const { db } = outAfter(0, message)
  const withSession = (from = '') =>
    from === 'first-primary' ? db.withSession(from) : homeDb.withSession(from)
  return { ...db, withSession } as D1Database // what `connect` and `resources` call is there
}
