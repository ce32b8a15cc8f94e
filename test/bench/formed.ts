import type { DatabaseSync } from 'node:sqlite'
import { formAtOnce } from './one-shot.ts'
import { openStore } from './store.ts'

/** The groups of a definition in the main or an attached database. */
interface Formed {
  schema: 'main' | 'before'
  definition: number
}

/** The Worker's only definition, and the one that one-shot SQL has formed elsewhere. */
const first = 1

/** Throws where plain SQL forms other groups of a Worker's users. */
export function checkFormed(stateDir: string): void {
  const db = openStore(stateDir)
  const again = first + 1
  formAtOnce(db, again)
  const wrong = rowsApart(
    db,
    { schema: 'main', definition: first },
    { schema: 'main', definition: again },
  )
  db.close()
  if (wrong > 0)
    throw new Error(`The Worker has formed other groups than one-shot SQL: ${wrong} rows differ`)
}

/** How many rows differ between the groups that the Worker formed and the database at `before`. */
export function rowsSince(before: string, stateDir: string): number {
  const db = openStore(stateDir)
  db.prepare('ATTACH ? AS before').run(before)
  const rows = rowsApart(
    db,
    { schema: 'main', definition: first },
    { schema: 'before', definition: first },
  )
  db.close()
  return rows
}

/** How many rows differ; whoever moves is deleted and inserted. */
function rowsApart(db: DatabaseSync, one: Formed, other: Formed): number {
  const seats = ({ schema, definition }: Formed) =>
    `SELECT user_id, value FROM ${schema}.identity_members WHERE definition_key = ${definition}`
  const shared = ({ schema, definition }: Formed) =>
    `SELECT value, name, function, result, type FROM ${schema}.group_attributes WHERE definition_key = ${definition}`
  const row = db
    .prepare(
      `SELECT (SELECT count(*) FROM (${seats(one)} EXCEPT ${seats(other)}))
        + (SELECT count(*) FROM (${seats(other)} EXCEPT ${seats(one)}))
        + (SELECT count(*) FROM (
          SELECT value, name FROM (${shared(one)} EXCEPT ${shared(other)})
            UNION SELECT value, name FROM (${shared(other)} EXCEPT ${shared(one)})
        )) AS apart`,
    )
    .get()
  return Number(row?.['apart'])
}
