type Queried = Pick<D1Database, 'prepare' | 'batch'>

/** A database whose results tell who answered, as in production, and the sessions that were opened with it. */
export function replicated(db: D1Database): { DB: D1Database; opened: string[] } {
  const opened: string[] = []
  const DB = new Proxy(db, {
    get(target, key) {
      if (key !== 'withSession') throw new Error(`${String(key)} is called without a session`)
      return (from = '') => {
        opened.push(from)
        const session = target.withSession(from)
        const meta = { served_by_region: 'WEUR', served_by_primary: from === 'first-primary' }
        return { ...answering(session, meta), getBookmark: () => session.getBookmark() }
      }
    },
  })
  return { DB, opened }
}

function answering(db: Queried, meta: Partial<D1Meta>): Queried {
  const withRegion = <Result extends D1Result>(result: Result): Result => ({
    ...result,
    meta: { ...result.meta, ...meta },
  })
  const statement = (inner: D1PreparedStatement): D1PreparedStatement =>
    new Proxy(inner, {
      get(target, key) {
        if (key === 'bind') return (...values: unknown[]) => statement(target.bind(...values))
        if (key === 'all') return async () => withRegion(await target.all())
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  return {
    prepare: (query) => statement(db.prepare(query)),
    batch: async <Row>(statements: D1PreparedStatement[]) =>
      (await db.batch<Row>(statements)).map(withRegion),
  }
}
