import { sql, type SQL } from 'drizzle-orm'
import { together, type Db } from '../db/connect.ts'
import { Failure, type JobIs } from '../failure.ts'
import {
  changeKinds,
  pageOf,
  selectChange,
  selectChanged,
  type ChangeKind,
} from '../membership/changes.ts'
import { cellOf, type FileFor } from '../membership/csv-cell.ts'
import { csvFile, type Piece } from '../membership/csv-file.ts'
import { storedIdOf } from '../membership/lookup.ts'
import type { Resources } from '../resources.ts'
import type { JobRow } from '../jobs/job.ts'
import { record } from '../webhooks/announce.ts'

/** People of one piece of a file. */
const peoplePerPiece = 4_000

interface Page {
  group: string
  participants: string[]
  /** After whom the next page begins, which may have nobody; undefined behind the last. */
  next: string | undefined
}

/**
 * A page of those whom a job adds to its group or removes: one that is held, or whose revision is the
 * live one. It may have fewer people than `size`, as it looks at so many rows of the group at most.
 * Throws `not-found` and `job-state`.
 */
export async function listChanges(
  db: Db,
  workspace: number,
  id: string,
  from: { kind: ChangeKind; after: string; size: number },
): Promise<Page> {
  const { group, rows } = await ask(db, workspace, id, (ofJob) => selectChanged(ofJob, from))
  return { group, ...pageOf(rows, from.size) }
}

/** Whether a job adds a person or removes them; undefined for neither. Throws as `listChanges`. */
export async function findChange(
  db: Db,
  workspace: number,
  id: string,
  participant: string,
): Promise<ChangeKind | undefined> {
  const stored = storedIdOf(participant)
  const { rows } = await ask(db, workspace, id, (ofJob) => selectChange(ofJob, stored))
  return changeKinds.find((kind) => rows[0]?.[kind] === 1)
}

/** What a statement says of the changes of a job, where rows still tell them. */
async function ask<Row>(
  db: Db,
  workspace: number,
  id: string,
  select: (ofJob: SQL) => SQL<Row>,
): Promise<{ group: string; rows: Row[] }> {
  const ofJob = sql`
    FROM jobs AS j CROSS JOIN experience_groups AS g ON g.key = j.group_key AND g.deleted_at IS NULL
    WHERE j.workspace_id = ${workspace} AND j.id = ${id}`
  // In one batch, so that rows and state are of one moment.
  const [jobs, rows] = await together(db, [
    sql<ChangingJob>`
    SELECT g.id AS "group", g.revision AS live, j.revision, j.state, j.failure,
      j.erasure_key AS erasure ${ofJob}`,
    select(ofJob),
  ])
  const [job] = jobs.rows
  if (job === undefined) throw new Failure({ reason: 'not-found', what: 'job', id })
  const is = whyUntold(job)
  if (is !== undefined) throw new Failure({ reason: 'job-state', id, to: 'list', is })
  return { group: job.group, rows: rows.rows }
}

type ChangingJob = Pick<JobRow, 'revision' | 'state' | 'failure' | 'erasure'> & {
  group: string
  live: number
}

/** Why the rows of members do not tell what a job changes; undefined where they do. */
function whyUntold({ revision, state, failure, erasure, live }: ChangingJob): JobIs | undefined {
  if (erasure !== null) return 'of-erasure'
  switch (state) {
    case 'held':
      return undefined
    case 'successful':
    case 'partial':
      return revision === live ? undefined : 'superseded'
    case 'waiting':
      return 'waiting'
    case 'undoing':
      return failure === 'cancelled' || failure === 'withdrawn' ? 'cancelled' : 'failed'
    case 'failed':
    case 'cancelled':
      return state
    default:
      return 'running'
  }
}

/**
 * A CSV file of all whom a job adds or removes, from the one after `after` on. The stream fails once
 * that can no longer be told. The export is an event before its first byte. Throws as `listChanges`.
 */
export async function exportChanges(
  res: Resources,
  workspace: number,
  id: string,
  { fileFor, ...from }: { kind: ChangeKind; after: string; fileFor: FileFor },
): Promise<ReadableStream<Uint8Array>> {
  const db = res.databaseOf(workspace)
  const read = (after: string) =>
    listChanges(db, workspace, id, { ...from, after, size: peoplePerPiece })
  const pieceOf = ({ participants, next }: Page): Piece => ({
    lines: participants.map((participant) => cellOf(participant, fileFor)),
    next,
  })
  const first = await read(from.after)
  const data = { job_id: id, group_id: first.group, what: from.kind }
  await record(res, workspace, { type: 'job.exported', data })
  return csvFile('ParticipantId', pieceOf(first), async (after) => pieceOf(await read(after)))
}
