import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { migrate } from '../local/server.ts'
import { randomIds } from './ids.ts'
import { openStore } from './store.ts'

export interface FullGroup {
  id: string
  name: string
  participants: string[]
}

/** Groups of equally many, in which everybody is in one. */
export const randomGroups = (groups: number, members: number): FullGroup[] =>
  Array.from({ length: groups }, (_, i) => ({
    id: randomUUID(),
    name: `group-${i + 1}`,
    participants: randomIds(members / groups),
  }))

/** Makes the state of a server that knows these groups, without the way through HTTP. */
export async function prepareGroups(stateDir: string, groups: FullGroup[]): Promise<void> {
  await migrate(stateDir)
  const db = openStore(stateDir)
  writeGroups(db, groups)
  db.close()
}

/** Writes groups into workspace 1, each as if by one upload, in one transaction. */
function writeGroups(db: DatabaseSync, groups: FullGroup[]): void {
  const group = db.prepare(`
    INSERT INTO experience_groups (key, id, workspace_id, name, type, platform, created_at,
      updated_at, revision, participant_count)
    VALUES (?1, ?2, 1, ?3, 'EXPERIENCE_GROUP', 'RETAIL_BANKING', ?4, ?4, 1, ?5)`)
  const member = db.prepare(
    'INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev) VALUES (1, ?1, ?2, 1, 1)',
  )
  const now = Date.now()
  db.exec('BEGIN')
  for (const [i, { id, name, participants }] of groups.entries())
    group.run(i + 1, id, name, now, participants.length)
  const seats = groups.flatMap(({ participants }, i) =>
    participants.map((id) => ({ id, key: i + 1 })),
  )
  for (const { id, key } of seats.sort((a, b) => (a.id < b.id ? -1 : 1))) member.run(id, key)
  db.exec('COMMIT')
}
