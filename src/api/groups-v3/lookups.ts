import { Hono } from 'hono'
import { evaluating } from '../../access/scopes.ts'
import { getMemberAt } from '../../experience/as-of.ts'
import { exportGroup } from '../../experience/export.ts'
import { findGroupsOf, findMemberships, listMembers } from '../../membership/lookup.ts'
import { acceptsCsv } from '../describe.ts'
import type { Http } from '../http.ts'
import { cached } from '../cached.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import * as wire from './lookup-wire.ts'
import { groupIdOf } from './wire.ts'

/** Who is in which group, from a replica near the caller. */
export const lookups = new Hono<Http>()
  .get(
    '/participants/:participantId/groups',
    operation(
      'findGroups',
      evaluating,
      'List the groups that a participant is in',
      wire.ShownGroupsOf,
    ),
    valid('query', wire.GroupsQuery),
    cached,
    async (c) => {
      const { replica, workspace } = c.var
      const participant = c.req.param('participantId')
      const page = c.req.valid('query')
      return c.json(
        wire.showGroupsOf(participant, await findGroupsOf(replica, workspace, participant, page)),
      )
    },
  )

  .get(
    '/groups/:groupId/participants/:participantId',
    operation(
      'isMember',
      evaluating,
      'Check whether a participant is in a group',
      wire.ShownMember,
    ),
    valid('query', wire.MemberQuery),
    cached,
    async (c) => {
      const { replica, workspace } = c.var
      const participant = c.req.param('participantId')
      const id = groupIdOf(c.req.param('groupId'))
      const query = { participant, ...c.req.valid('query') }
      return c.json(wire.showMember(participant, await getMemberAt(replica, workspace, id, query)))
    },
  )

  .post(
    '/memberships',
    operation(
      'findMemberships',
      'groups:read',
      'List the groups of each of up to 1000 participants',
      wire.ShownMemberships,
    ),
    jsonBody,
    valid('json', wire.MembershipsRequest),
    cached,
    async (c) => {
      const { participantIds, groupIds } = c.req.valid('json')
      const groups = groupIds?.map(groupIdOf)
      return c.json(
        wire.showMemberships(
          await findMemberships(c.var.replica, c.var.workspace, participantIds, groups),
        ),
      )
    },
  )

  .get(
    '/groups/:groupId/participants',
    operation(
      'listParticipants',
      'groups:read',
      'List the participants of a group in the order of their ids; as text/csv, all of them',
      { schema: wire.ShownMembers, kind: 'export', description: wire.ofOneRevision },
    ),
    valid('query', wire.MembersQuery),
    async (c, next) => {
      if (!acceptsCsv(c.req.header('accept'))) return next()
      const id = groupIdOf(c.req.param('groupId'))
      const { after, for: fileFor } = c.req.valid('query')
      const file = await exportGroup(c.var.res, c.var.workspace, id, { after, fileFor })
      return c.body(file, 200, {
        'Content-Type': 'text/csv; charset=utf-8',
        'Content-Disposition': `attachment; filename="${id}.csv"`,
      })
    },
    async (c) => {
      const { after, size } = c.req.valid('query')
      const page = await listMembers(
        c.var.replica,
        c.var.workspace,
        groupIdOf(c.req.param('groupId')),
        { after, size },
      )
      return c.json(wire.showMembers(page, size))
    },
  )
