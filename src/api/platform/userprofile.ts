import { Hono } from 'hono'
import { z } from 'zod'
import { audiencesOf } from '../../audiences/memberships.ts'
import { getProfile } from '../../identity/profiles.ts'
import { bearer } from '../bearer.ts'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { valid } from '../valid.ts'
import { operation } from './describe.ts'
import { onError } from './errors.ts'
import * as wire from './wire/users.ts'
import { ownWorkspace } from './workspace.ts'

const knownFields = ['user_attributes', 'audience_memberships'] as const

const FieldsQuery = z.object({
  fields: z
    .string()
    .default(knownFields.join(','))
    .meta({
      description: `Fields to show, of ${knownFields.join(', ')}, separated by commas; both by default.`,
    }),
})

const ShownProfile = z.object({
  mpid: z.string(),
  user_attributes: wire.ShownUser.shape.user_attributes.optional(),
  audience_memberships: z
    .array(z.object({ audience_id: z.string(), audience_name: z.string() }))
    .optional(),
})

/** A user as mParticle's Profile API shows one; organisation and account are not checked. */
export const userprofile = new Hono<Http>()
  .onError(onError)
  .use('/:org_id/:account_id/:workspace_id/*', bearer, rateLimited, ownWorkspace)
  .get(
    '/:org_id/:account_id/:workspace_id/:mpid',
    operation('getUserProfile', 'users:read', 'Get a user in the format of the Profile API', {
      schema: ShownProfile,
      timed: true,
    }),
    valid('query', FieldsQuery),
    async (c) => {
      const fields = c.req.valid('query').fields.split(',')
      const profile = await getProfile(
        c.var.replica,
        c.var.workspace,
        wire.userIdOf(c.req.param('mpid')),
      )
      return c.json({
        mpid: profile.user,
        ...(fields.includes('user_attributes') && {
          user_attributes: wire.showAttributes(profile),
        }),
        ...(fields.includes('audience_memberships') && {
          audience_memberships: (
            await audiencesOf(c.var.replica, c.var.workspace, profile.user, c.var.res.limits)
          ).map(({ id, name }) => ({
            audience_id: id,
            audience_name: name,
          })),
        }),
      })
    },
  )
  .all('*', unknownOperation)
