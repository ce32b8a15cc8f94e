import { sql } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import { cellOf, type FileFor } from '../membership/csv-cell.ts'
import type { Resources } from '../resources.ts'
import { record } from '../webhooks/announce.ts'
import { experimentsOf } from './experiments.ts'

/** Exposures of one piece, those of other versions among them. */
const rowsPerPiece = 4_000

/**
 * A CSV file of who after `after` was exposed to the current version, to which variant and when first.
 * The export is an event before its first byte. Throws `not-found`.
 */
export async function exportExposures(
  res: Resources,
  workspace: number,
  id: string,
  { after: from, fileFor, piece = rowsPerPiece }: From,
): Promise<ReadableStream<Uint8Array>> {
  const db = res.replicaOf(workspace)
  const [found] = await db.all<{ key: number; version: number }>(
    sql`SELECT e.key, e.version FROM ${experimentsOf(workspace)} AND e.id = ${id}`,
  )
  if (found === undefined) throw new Failure({ reason: 'not-found', what: 'experiment', id })
  const data = { experiment_id: id, what: 'exposures' as const }
  await record(res, workspace, { type: 'experiment.exported', data })
  const encoder = new TextEncoder()
  let after: Place | undefined = { participant: from, version: Number.MAX_SAFE_INTEGER }
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) =>
        controller.enqueue(encoder.encode('participant_id,variant,first_exposed_on\n')),
      async pull(controller) {
        let lines: string[] = []
        while (lines.length === 0 && after !== undefined) {
          const rows = await exposuresAfter(db, found.key, after, piece)
          after = rows.length < piece ? undefined : rows.at(-1)
          lines = rows
            .filter(({ version }) => version === found.version)
            .map((row) => lineOf(row, fileFor))
        }
        if (lines.length > 0) controller.enqueue(encoder.encode(lines.join('')))
        if (after === undefined) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

interface From {
  after: string
  fileFor: FileFor
  piece?: number
}

const lineOf = ({ participant, variant, at }: Row, fileFor: FileFor): string =>
  `${cellOf(participant, fileFor)},${cellOf(variant, fileFor)},${new Date(at).toISOString()}\n`

interface Place {
  participant: string
  version: number
}

interface Row extends Place {
  variant: string
  at: number
}

/** The exposures of all versions after a place, so that a piece is short whatever they are of. */
const exposuresAfter = (
  db: Db,
  experiment: number,
  { participant, version }: Place,
  size: number,
): Promise<Row[]> =>
  db.all(sql`
    SELECT participant_id AS participant, version, variant, at FROM exposures
    WHERE experiment_key = ${experiment}
      AND (participant_id, version) > (${participant}, ${version})
    ORDER BY participant_id, version LIMIT ${size}`)
