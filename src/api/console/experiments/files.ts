import { Hono, type Context } from 'hono'
import { exportAssignments } from '../../../experiments/export-assignments.ts'
import { exportExposures } from '../../../experiments/export-exposures.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import * as wire from '../../platform/wire/experiments.ts'

/** From the first line on; the ids do nothing in a spreadsheet. */
const all = { after: '', fileFor: 'spreadsheet' } as const

/** Who has which variant of an experiment, and who saw which, as files. */
export const experimentFiles = new Hono<Http>()
  .get('/:experiment_id/assignments.csv', allows('experiments:read'), async (c) => {
    const id = wire.idOf(c)
    return sent(
      c,
      `${id}-assignments`,
      await exportAssignments(c.var.res, c.var.workspace, id, all),
    )
  })

  .get('/:experiment_id/exposures.csv', allows('experiments:read'), async (c) => {
    const id = wire.idOf(c)
    return sent(c, `${id}-exposures`, await exportExposures(c.var.res, c.var.workspace, id, all))
  })

const sent = (c: Context<Http>, name: string, file: ReadableStream<Uint8Array>) =>
  c.body(file, 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}.csv"`,
  })
