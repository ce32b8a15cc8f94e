import { watchedCalls } from './watched-calls.ts'

/** Which call of a database fails, and how. */
export interface Blow {
  at: number
  /** Before its effect, or its answer is lost. */
  when: 'before' | 'after'
  /** So do all calls after it, as where the invocation has died. */
  lasting: boolean
}

/** The database of one request, of which a call fails. */
export function fused({ at, when, lasting }: Blow): { db: D1Database; blown: () => boolean } {
  let calls = 0
  const burning = async <T>(run: () => Promise<T>): Promise<T> => {
    const call = calls++
    if (call < at || (call > at && !lasting)) return run()
    if (call === at && when === 'after') await run()
    throw new Error('D1_ERROR: Network connection lost.')
  }
  const queried = watchedCalls(burning)
  const session = { ...queried, getBookmark: () => null }
  // What `connect` and `resources` call is there.
  const db = { ...queried, withSession: () => session } as unknown as D1Database
  return { db, blown: () => calls > at }
}
