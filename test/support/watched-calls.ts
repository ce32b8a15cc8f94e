import { homeDb } from './databases.ts'

/** A database, whose calls go through `call`. */
export function watchedCalls(call: <T>(run: () => Promise<T>) => Promise<T>, db = homeDb) {
  const watch = (statement: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, key) {
        if (key === 'bind') return (...values: unknown[]) => watch(target.bind(...values))
        if (key === 'all') return () => call(() => target.all())
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return {
    prepare: (query: string) => watch(db.prepare(query)),
    batch: (statements: D1PreparedStatement[]) => call(() => db.batch(statements)),
  }
}
