import type { SQL, SQLWrapper } from 'drizzle-orm'
import { drizzle, type DrizzleD1Database } from 'drizzle-orm/d1'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import * as schema from './schema.ts'

export type Db = DrizzleD1Database<typeof schema> & { $client: D1Database }

/** What D1 bills and limits, so far. */
export interface Meter {
  statements: number
  rowsRead: number
  rowsWritten: number
}

/** A database, or a session with a replica of it. */
export type Queried = Pick<D1Database, 'prepare' | 'batch'>

/** A database whose results are added to the meter; `seen` gets each result's figures. */
export function connect(d1: Queried, meter: Meter, seen?: (meta: D1Result['meta']) => void): Db {
  return drizzle(metered(d1, meter, seen))
}

const dialect = new SQLiteSyncDialect()

/** The result of a statement `sql<Row>` of a batch. */
export interface Result<Row = unknown> extends Pick<D1Result, 'meta'> {
  rows: Row[]
  /** More than its own where the workspace is being moved: to count, ask SQL for `changes()`. */
  changes: number
}

export type Results<Statements> = {
  -readonly [I in keyof Statements]: Result<Statements[I] extends SQL<infer Row> ? Row : unknown>
}

/** Runs statements as one atomic batch; drizzle's own refuses `sql` with parameters. */
export async function together<const Statements extends readonly SQLWrapper[]>(
  db: Db,
  statements: Statements,
): Promise<Results<Statements>> {
  const results = await db.$client.batch(
    statements.map((statement) => prepared(db.$client, statement)),
  )
  return typed<Statements>(results)
}

/** What statements have taken together. */
export interface Cost {
  ms: number
  rowsRead: number
  rowsWritten: number
}

export function costOf(results: Result[]): Cost {
  const sum = (figure: 'duration' | 'rows_read' | 'rows_written') =>
    results.reduce((total, { meta }) => total + meta[figure], 0)
  return { ms: sum('duration'), rowsRead: sum('rows_read'), rowsWritten: sum('rows_written') }
}

const typed = <Statements>(results: D1Result[]) =>
  results.map(({ results: rows, meta }) => ({
    rows,
    changes: meta.changes,
    meta,
  })) as Results<Statements> // one for each, in their order

function prepared(d1: D1Database, statement: SQLWrapper): D1PreparedStatement {
  const { sql, params } = dialect.sqlToQuery(statement.getSQL())
  return d1.prepare(sql).bind(...params)
}

/**
 * The same database, but its first batch begins with `first`, to save a round trip. `onResults`
 * gets their results, and what it throws, the batch throws.
 */
export function beginningWith<const Statements extends readonly SQLWrapper[]>(
  db: Db,
  first: Statements,
  onResults: (results: Results<Statements>) => void,
): Db {
  const { $client } = db
  let begun = false
  return drizzle({
    prepare: (query: string) => $client.prepare(query),
    batch: async (statements: D1PreparedStatement[]) => {
      if (begun) return $client.batch(statements)
      begun = true
      const results = await $client.batch([
        ...first.map((statement) => prepared($client, statement)),
        ...statements,
      ])
      onResults(typed<Statements>(results.splice(0, first.length)))
      return results
    },
  } as D1Database) // `exec`, `dump` and `withSession` are not used
}

/** D1's own client, with its results counted; `first` and `raw` give no figures, `all` does. */
function metered(d1: Queried, meter: Meter, seen?: (meta: D1Result['meta']) => void): D1Database {
  const inner = new WeakMap<object, D1PreparedStatement>()
  const count = <R extends D1Result>(result: R): R => {
    meter.statements++
    meter.rowsRead += result.meta.rows_read
    meter.rowsWritten += result.meta.rows_written
    seen?.(result.meta)
    return result
  }
  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const all = async () => count(await statement.all<Record<string, unknown>>())
    const wrapped = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      all,
      run: all,
      first: async (column?: string) => {
        const row = (await all()).results[0]
        return row === undefined ? null : column === undefined ? row : row[column]
      },
      // Merges columns of one name, so a join must rename its columns.
      raw: async () => (await all()).results.map((row) => Object.values(row)),
    }
    inner.set(wrapped, statement)
    return wrapped as D1PreparedStatement // without unused overloads of `first` and `raw`
  }
  return {
    prepare: (query: string) => wrap(d1.prepare(query)),
    batch: async (statements: D1PreparedStatement[]) =>
      (await d1.batch(statements.map((statement) => inner.get(statement) ?? statement))).map(count),
  } as D1Database // `exec`, `dump` and `withSession` are not used
}

/** Whether the database answers at all. */
export async function answers(db: Db): Promise<boolean> {
  try {
    await db.$client.prepare('SELECT 1').run()
    return true
  } catch {
    return false
  }
}
