import { Hono } from 'hono'
import { bearer } from '../bearer.ts'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { onError } from './errors.ts'
import { assignments } from './assignments.ts'
import { audiences } from './audiences.ts'
import { audienceUsers } from './audience-users.ts'
import { balance } from './balance.ts'
import { corrections } from './corrections.ts'
import { deliveries } from './deliveries.ts'
import { erasures, people } from './erasures.ts'
import { events } from './events.ts'
import { experiments } from './experiments.ts'
import { exposures, fromBrowsers } from './exposures.ts'
import { definitionPreviews } from './definition-previews.ts'
import { groups } from './groups.ts'
import { imports, usersFile } from './imports.ts'
import { uploads, uploadsOffered } from './uploads.ts'
import { usage } from './usage.ts'
import { users } from './users.ts'
import { webhooks } from './webhooks.ts'
import { ownWorkspace } from './workspace.ts'

/** Group Identity, users, audiences, experiments and webhooks: all below the path of a workspace. */
export const platform = new Hono<Http>()
  .onError(onError)
  .use('/experiments/exposures', fromBrowsers)
  .route('/users/uploads', uploadsOffered)
  .use(bearer, rateLimited, ownWorkspace)
  .route('/groups/preview', definitionPreviews)
  .route('/groups', corrections)
  .route('/groups', groups)
  .route('/usage', usage)
  .route('/users', usersFile)
  .route('/users/uploads', uploads)
  .route('/users', users)
  .route('/imports', imports)
  .route('/people', people)
  .route('/erasures', erasures)
  .route('/audiences', audienceUsers)
  .route('/audiences', audiences)
  .route('/experiments', experiments)
  .route('/experiments', balance)
  .route('/experiments', assignments)
  .route('/experiments', exposures)
  .route('/webhooks', webhooks)
  .route('/webhooks', deliveries)
  .route('/events', events)
  .all('*', unknownOperation)
