import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { DatabaseSync } from 'node:sqlite'
import type { UploadType } from '../local/api.ts'
import { newStore } from './store.ts'

/**
 * The same rows in plain SQLite, without HTTP, storage or queue, as src/membership/members.ts
 * writes them.
 */
export abstract class Baseline {
  readonly db: DatabaseSync

  constructor(path: string) {
    this.db = newStore(path)
  }

  /** Applies a file of participants as one revision of the group, in one transaction. */
  async apply(type: UploadType, file: string, revision: number): Promise<void> {
    this.db.exec('BEGIN')
    await this.write(type, file, revision)
    if (type === 'REPLACE') this.db.prepare(removeUnseen).run(revision)
    this.db.exec('COMMIT')
  }

  protected abstract write(type: UploadType, file: string, revision: number): Promise<void>

  /** How many are in the group. */
  participantCount(): number {
    const row = this.db
      .prepare('SELECT count(*) AS count FROM members WHERE removed_rev IS NULL')
      .get()
    return Number(row?.['count'])
  }

  close(): void {
    this.db.close()
  }
}

/** The naive way: line by line, one prepared statement, default settings. */
export class Plain extends Baseline {
  protected override async write(type: UploadType, file: string, revision: number): Promise<void> {
    const statement = this.db.prepare(statements('VALUES (1, ?1, 1, ?2, NULL, ?2)', '= ?1')[type])
    let header = true
    for await (const id of createInterface({
      input: createReadStream(file),
      crlfDelay: Infinity,
    })) {
      if (!header) statement.run(id, revision)
      header = false
    }
  }
}

/** The fastest way found: the whole file sorted in memory, each page visited once. */
export class Limit extends Baseline {
  protected override async write(type: UploadType, file: string, revision: number): Promise<void> {
    const listed = 'json_each(?1)'
    const statement = this.db.prepare(
      statements(
        `SELECT 1, value, 1, ?2, NULL, ?2 FROM ${listed} WHERE true`,
        `IN (SELECT value FROM ${listed})`,
      )[type],
    )
    const cut = (await readFile(file, 'utf8')).split('\n').slice(1, -1)
    // V8 compares a slice of a long string four times slower than a copy.
    const ids = JSON.parse(JSON.stringify(cut)) as string[]
    ids.sort()
    // One statement for all of them was no faster.
    for (let from = 0; from < ids.length; from += 10_000)
      statement.run(JSON.stringify(ids.slice(from, from + 10_000)), revision)
  }
}

/**
 * `rows` selects the rows of ids, `matching` is the condition on them; ?1 are the ids, ?2 the
 * revision.
 */
function statements(rows: string, matching: string): Record<UploadType, string> {
  const insert = `
    INSERT INTO members (workspace_id, participant_id, group_key, added_rev, removed_rev, seen_rev) ${rows}
    ON CONFLICT (workspace_id, participant_id, group_key) DO UPDATE`
  return {
    ADD: `${insert} SET added_rev = excluded.added_rev, removed_rev = NULL,
      seen_rev = excluded.seen_rev WHERE removed_rev IS NOT NULL`,
    REMOVE: `
      UPDATE members SET removed_rev = ?2
      WHERE workspace_id = 1 AND group_key = 1 AND participant_id ${matching} AND removed_rev IS NULL`,
    REPLACE: `${insert}
      SET added_rev = iif(removed_rev IS NULL, added_rev, excluded.added_rev), removed_rev = NULL,
        seen_rev = excluded.seen_rev
      WHERE seen_rev <> excluded.seen_rev`,
  }
}

const removeUnseen = `
  UPDATE members SET removed_rev = ?1
  WHERE workspace_id = 1 AND group_key = 1 AND removed_rev IS NULL AND seen_rev < ?1`
