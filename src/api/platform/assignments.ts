import { Hono } from 'hono'
import { exportAssignments } from '../../experiments/export-assignments.ts'
import { findAssignments } from '../../experiments/lookup-many.ts'
import { explainAssignment, getAssignment } from '../../experiments/lookup.ts'
import { cached } from '../cached.ts'
import type { Http } from '../http.ts'
import { streamed } from '../streamed.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/assignments.ts'
import { idOf } from './wire/experiments.ts'
import { split } from './wire/split.ts'

/** Who has which variant. Look-ups are answered by a replica near the caller, a file by the primary. */
export const assignments = new Hono<Http>()
  .get(
    '/:experiment_id/assignments/:participant_id',
    operation(
      'getAssignment',
      [['flags:evaluate', 'experiments:read']],
      'Get the variant of a participant',
      {
        schema: wire.ShownAssignment,
        description: split,
      },
    ),
    cached,
    async (c) => {
      const { replica, workspace } = c.var
      const participant = c.req.param('participant_id')
      const assignment = await getAssignment(replica, workspace, idOf(c), participant)
      return c.json(wire.showAssignment(participant, assignment))
    },
  )

  .get(
    '/:experiment_id/assignments/:participant_id/explain',
    operation(
      'explainAssignment',
      'experiments:read',
      'Explain why a participant has a variant or has none',
      wire.ShownExplanation,
    ),
    async (c) => {
      const { replica, workspace, caller } = c.var
      const participant = c.req.param('participant_id')
      const explained = await explainAssignment(replica, workspace, idOf(c), participant)
      const mayReadUsers = caller.scopes.includes('users:read')
      return c.json(wire.showExplanation(participant, explained, mayReadUsers))
    },
  )

  .post(
    '/assignments',
    operation(
      'findAssignments',
      'experiments:read',
      'Get the variants of up to 1000 participants in up to 100 experiments',
      wire.ShownAssignments,
    ),
    jsonBody,
    valid('json', wire.AssignmentsRequest),
    async (c) => {
      const { participant_ids, experiment_ids } = c.req.valid('json')
      const { replica, workspace } = c.var
      const ids = experiment_ids ?? undefined
      const found = await findAssignments(replica, workspace, participant_ids, ids)
      const body = streamed(wire.showAssignments(found))
      return c.body(body, 200, { 'Content-Type': 'application/json' })
    },
  )

  .get(
    '/:experiment_id/assignments',
    operation(
      'exportAssignments',
      'experiments:read',
      'Export the members of the group and their variants as CSV: participant_id,variant',
      { csv: true },
    ),
    valid('query', wire.AssignmentsQuery),
    async (c) => {
      const { res, workspace } = c.var
      const { after, for: fileFor } = c.req.valid('query')
      const id = idOf(c)
      const file = await exportAssignments(res, workspace, id, { after, fileFor })
      return c.body(file, 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': 'attachment; filename="assignments.csv"',
      })
    },
  )
