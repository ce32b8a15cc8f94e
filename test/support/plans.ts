import type { SQL } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { connect, type Db, type Meter } from '../../src/db/connect.ts'
import { homeDb } from './databases.ts'

/** A statement as D1 gets it. */
export interface Statement {
  query: string
  params: unknown[]
}

const dialect = new SQLiteSyncDialect()

export function statementOf(statement: SQL): Statement {
  const { sql: query, params } = dialect.sqlToQuery(statement)
  return { query, params }
}

/** The database, its costs, and the statements that it gets. */
export function watched(): { db: Db; meter: Meter; statements: Statement[] } {
  const statements: Statement[] = []
  const meter = { statements: 0, rowsRead: 0, rowsWritten: 0 }
  const prepare = (query: string) => {
    const bind = (...params: unknown[]) => {
      statements.push({ query, params })
      return homeDb.prepare(query).bind(...params)
    }
    return { bind }
  }
  // What `together` and drizzle call is there.
  const d1 = {
    prepare,
    batch: (all: D1PreparedStatement[]) => homeDb.batch(all),
  } as unknown as D1Database
  return { db: connect(d1, meter), meter, statements }
}

/** The steps in which SQLite answers a statement. */
export async function planOf({ query, params }: Statement): Promise<string[]> {
  const { results } = await homeDb
    .prepare(`EXPLAIN QUERY PLAN ${query}`)
    .bind(...params)
    .all<{ detail: string }>()
  return results.map(({ detail }) => detail)
}

/** The plan of each statement that runs. */
export async function plansOf(
  read: (db: Db) => Promise<unknown>,
): Promise<{ query: string; plan: string[] }[]> {
  const { db, statements } = watched()
  await read(db)
  return Promise.all(statements.map(async (one) => ({ query: one.query, plan: await planOf(one) })))
}
