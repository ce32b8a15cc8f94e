import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Report } from '../local/platform.ts'
import { root } from '../local/program.ts'

/** A database of our own with the Worker's tables and indexes. */
export function newStore(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  const migrations = join(root, 'migrations')
  for (const name of readdirSync(migrations).sort())
    if (name.endsWith('.sql')) db.exec(readFileSync(join(migrations, name), 'utf8'))
  return db
}

/** The Worker's database file in the state folder of a stopped server. */
export function openStore(stateDir: string): DatabaseSync {
  for (const name of readdirSync(stateDir, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.sqlite')) continue
    const db = new DatabaseSync(join(stateDir, name))
    if (
      db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'user_attributes'`).get() !== undefined
    )
      return db
    db.close()
  }
  throw new Error(`No database below ${stateDir} has the Worker's tables`)
}

const month = 30 * 86_400_000

/** Writes users into workspace 1, as if reported within the last month, in one transaction. */
export function writeUsers(db: DatabaseSync, users: Report[]): void {
  const known = db.prepare(
    'INSERT INTO users (workspace_id, user_id, created_at) VALUES (1, ?1, ?2)',
  )
  const attribute = db.prepare(
    'INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at) VALUES (1, ?1, ?2, ?3, ?4, ?5)',
  )
  const now = Date.now()
  db.exec('BEGIN')
  for (const { user, attributes } of users.toSorted((a, b) => (a.user < b.user ? -1 : 1))) {
    const at = now - Math.floor(Math.random() * month)
    known.run(user, at)
    for (const [name, value] of Object.entries(attributes))
      attribute.run(user, name, String(value), typeof value, at)
  }
  db.exec('COMMIT')
}
