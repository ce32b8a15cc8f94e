import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { connect, type Db } from '../../src/db/connect.ts'

/** A database file as the rooms see D1, for the same statements by node:sqlite. */
export function plainDb(path: string): Db {
  const sqlite = new DatabaseSync(path, { readOnly: true })
  const prepare = (query: string, values: SQLInputValue[] = []) => ({
    bind: (...values: SQLInputValue[]) => prepare(query, values),
    all: async () => {
      const start = performance.now()
      const results = sqlite.prepare(query).all(...values)
      return {
        results,
        meta: { rows_read: 0, rows_written: 0, duration: performance.now() - start },
      }
    },
  })
  const batch = (statements: ReturnType<typeof prepare>[]) =>
    Promise.all(statements.map((statement) => statement.all()))
  // Only what `connect` calls is there.
  return connect({ prepare, batch } as unknown as Parameters<typeof connect>[0], {
    statements: 0,
    rowsRead: 0,
    rowsWritten: 0,
  })
}
