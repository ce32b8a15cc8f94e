import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { exportExposures } from '../../experiments/export-exposures.ts'
import { getExposed } from '../../experiments/exposure-counts.ts'
import { takeExposures } from '../../experiments/exposures.ts'
import { acceptsCsv } from '../describe.ts'
import type { Http } from '../http.ts'
import { keyHeader, replayedHeader } from '../idempotency-key.ts'
import { idempotent } from '../idempotent.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import { idOf } from './wire/experiments.ts'
import * as wire from './wire/exposures.ts'

const taking =
  'What is accepted is written within seconds, later where the database is out. Of a participant ' +
  'the first exposure to each version that is written counts; the same may be sent again. It is of ' +
  'the version at the time of the request. Those on whom a variant is forced are testers, and left ' +
  'out; people who were erased since are, too. Of an event “Experiment Viewed” of Segment, ' +
  'participant_id is userId, variant is variation_id, at is timestamp; experiment_name and ' +
  'variation_name are not needed.'

const listing =
  'The participants of the current version who were exposed, and whether the weights explain how ' +
  'many saw each variant. Deleting a user leaves exposures, as a participant is no user; erasing a ' +
  'person deletes them. As text/csv, one line for each participant.'

/** A browser's preflight has no token. */
export const fromBrowsers = cors({
  origin: '*',
  allowMethods: ['POST'],
  allowHeaders: ['Content-Type', 'Authorization', keyHeader],
  exposeHeaders: ['Retry-After', replayedHeader],
  maxAge: 86_400,
})

/** Who saw which variant of an experiment. */
export const exposures = new Hono<Http>()
  .post(
    '/exposures',
    operation(
      'reportExposures',
      [['flags:evaluate', 'experiments:write']],
      'Report which participants saw which variants, up to 1,000 at a time, all or none',
      { status: 202, description: taking },
    ),
    jsonBody,
    valid('json', wire.Exposures),
    idempotent<'exposures.reported'>((c) => c.body(null, 202)),
    async (c) => {
      const { exposures } = c.req.valid('json')
      await takeExposures(c.var.res, c.var.workspace, exposures.map(wire.exposureOf))
      return c.body(null, 202)
    },
  )

  .get(
    '/:experiment_id/exposures',
    operation(
      'getExposures',
      'experiments:read',
      'Count who was exposed to each variant, in all and by day; as text/csv, list them',
      { schema: wire.ShownExposures, csv: true, description: listing },
    ),
    valid('query', wire.ExposuresQuery),
    async (c, next) => {
      if (!acceptsCsv(c.req.header('accept'))) return next()
      const { res, workspace } = c.var
      const { after, for: fileFor } = c.req.valid('query')
      return c.body(await exportExposures(res, workspace, idOf(c), { after, fileFor }), 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="exposures.csv"',
      })
    },
    async (c) => {
      const { replica, workspace, res } = c.var
      const exposed = await getExposed(replica, workspace, idOf(c))
      return c.json(wire.showExposures(exposed, res.limits))
    },
  )
