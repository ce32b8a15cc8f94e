import { Hono } from 'hono'
import { exportAssignments } from '../../../experiments/export-assignments.ts'
import { exportExposures } from '../../../experiments/export-exposures.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import * as wire from '../../platform/wire/experiments.ts'
import { csvFile } from '../csv-file.ts'

/** From the first line on; the ids do nothing in a spreadsheet. */
const all = { after: '', fileFor: 'spreadsheet' } as const

/** Who has which variant of an experiment, and who saw which, as files. */
export const experimentFiles = new Hono<Http>()
  .get('/:experiment_id/assignments.csv', allows('experiments:read'), async (c) => {
    const id = wire.idOf(c)
    const file = await exportAssignments(c.var.res, c.var.workspace, id, all)
    return csvFile(c, `${id}-assignments`, file)
  })

  .get('/:experiment_id/exposures.csv', allows('experiments:read'), async (c) => {
    const id = wire.idOf(c)
    const file = await exportExposures(c.var.res, c.var.workspace, id, all)
    return csvFile(c, `${id}-exposures`, file)
  })
