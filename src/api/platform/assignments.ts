import { Hono } from 'hono'
import type { Needs } from '../../access/scopes.ts'
import { findAssignments } from '../../experiments/assignments.ts'
import { explainAssignment, getAssignment } from '../../experiments/lookup.ts'
import { cached } from '../cached.ts'
import type { Http } from '../http.ts'
import { streamed } from '../streamed.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/assignments.ts'
import { idOf } from './wire/experiments.ts'
import { split } from './wire/split.ts'

const evaluating: Needs = [['flags:evaluate', 'experiments:read']]

/** Who is drawn into which arm, from a replica near the caller. */
export const assignments = new Hono<Http>()
  .get(
    '/:experiment_id/assignments/:participant_id',
    operation('getAssignment', evaluating, 'Get the variant of a participant', {
      schema: wire.ShownAssignment,
      description: split,
    }),
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
      const mayRead = caller.scopes.includes('users:read')
      return c.json(wire.showExplanation(participant, explained, mayRead))
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
