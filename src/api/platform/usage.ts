import { Hono } from 'hono'
import { z } from 'zod'
import { findUsage } from '../../usage.ts'
import type { Http } from '../http.ts'
import { operation } from './describe.ts'

const Used = z
  .number()
  .nullable()
  .meta({ description: 'Null for what each user has, which is not summed up.' })

const ShownUsage = z.record(z.string(), z.object({ used: Used, cap: z.number() }))

/** What a workspace has, beside what it may have. */
export const usage = new Hono<Http>().get(
  '/',
  operation(
    'getUsage',
    'groups:read',
    'Get what the workspace has of groups, members, users and more, each beside its cap',
    ShownUsage,
  ),
  async (c) => {
    const { replica, workspace, res } = c.var
    return c.json(await findUsage(replica, workspace, res.limits))
  },
)
