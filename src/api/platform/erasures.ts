import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { getErasure, listErasures } from '../../erasure/erasures.ts'
import { readPeople } from '../../erasure/people-file.ts'
import { erasePeople, erasePerson } from '../../erasure/request.ts'
import { Failure } from '../../failure.ts'
import { boundedBody, textOf } from '../body.ts'
import { forgetsCached } from '../cached.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './wire/erasures.ts'
import { userIdOf } from './wire/users.ts'

const scopes = ['users:write', 'groups:write'] as const

/** Lets only a small file pass. */
const smallFile = createMiddleware<Http>((c, next) => {
  if (!/^text\/csv\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new Failure({ reason: 'media-type', allowed: ['text/csv'] })
  return boundedBody(c, next)
})

/** A person, who may be a user, a participant, or both. */
export const people = new Hono<Http>().delete(
  '/:person',
  operation('erasePerson', scopes, 'Erase a person, known or not, from all that is kept', {
    schema: wire.RequestedOfPerson,
    status: 202,
    tag: 'Erasures',
  }),
  forgetsCached,
  async (c) => {
    const { res, workspace, caller } = c.var
    const person = userIdOf(c.req.param('person'), 'person')
    return c.json(
      wire.showRequestedOfPerson(await erasePerson(res, workspace, person, caller.name)),
      202,
    )
  },
)

/** Erasures by file, and all erasures to watch. */
export const erasures = new Hono<Http>()
  .post(
    '/',
    operation('erasePeople', scopes, 'Erase the people of a CSV file of ids', {
      schema: wire.RequestedOfFile,
      status: 202,
      tag: 'Erasures',
      requestBody: wire.peopleBody,
    }),
    smallFile,
    forgetsCached,
    idempotent<'erasure.requested'>(async (c, { erasure_id }) => {
      const erasure = await getErasure(c.var.db, c.var.workspace, erasure_id)
      return c.json(wire.showRequestedOfFile(erasure), 202)
    }),
    async (c) => {
      const { res, workspace, caller } = c.var
      const people = readPeople(await textOf(c, 'CSV'))
      return c.json(
        wire.showRequestedOfFile(await erasePeople(res, workspace, people, caller.name)),
        202,
      )
    },
  )

  .get(
    '/',
    operation('listErasures', scopes, 'List erasures, newest first', {
      schema: wire.ShownErasures,
      tag: 'Erasures',
    }),
    valid('query', wire.ErasuresQuery),
    async (c) => {
      const query = c.req.valid('query')
      return c.json(
        wire.showErasures(await listErasures(c.var.replica, c.var.workspace, query), query.size),
      )
    },
  )

  .get(
    '/:erasure_id',
    operation(
      'getErasure',
      scopes,
      'Get an erasure: whether it is complete, and what it has removed',
      { schema: wire.ShownErasure, tag: 'Erasures' },
    ),
    async (c) =>
      c.json(
        wire.showErasure(await getErasure(c.var.db, c.var.workspace, c.req.param('erasure_id'))),
      ),
  )
