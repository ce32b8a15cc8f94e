import { Hono } from 'hono'
import { bearer } from '../bearer.ts'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { noSuchOperation } from '../refusal.ts'
import { onError } from './errors.ts'
import { audiences } from './audiences.ts'
import { groups } from './groups.ts'
import { imports, usersFile } from './imports.ts'
import { users } from './users.ts'
import { events, webhooks } from './webhooks.ts'
import { ownWorkspace } from './workspace.ts'

/** Group Identity, as CONTRACT 4 has it: all below the path of a workspace. */
export const platform = new Hono<Http>()
  .onError(onError)
  .use(bearer, rateLimited, ownWorkspace)
  .route('/groups', groups)
  .route('/users', usersFile)
  .route('/users', users)
  .route('/imports', imports)
  .route('/audiences', audiences)
  .route('/webhooks', webhooks)
  .route('/events', events)
  .all('*', noSuchOperation)
