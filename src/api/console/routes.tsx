import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { secureHeaders } from 'hono/secure-headers'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { activity } from './activity/activity.tsx'
import { audiences } from './audiences/audiences.tsx'
import { onError } from './errors.tsx'
import { experiments } from './experiments/experiments.tsx'
import { groups } from './groups/groups.tsx'
import { reference } from './reference.tsx'
import { jobs } from './jobs/jobs.tsx'
import { corrections } from './households/corrections.tsx'
import { households } from './households/households.tsx'
import { people } from './people/people.tsx'
import { signedIn } from './session.ts'
import { settings } from './settings/settings.tsx'
import { signIn } from './sign-in.tsx'
import { usage } from './usage.tsx'
import { webhooks } from './webhooks/webhooks.tsx'

/** Nothing comes from another host, and no page has code or style of its own. */
const headers = (more: Record<string, string[]> = {}) =>
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
      objectSrc: ["'none'"],
      ...more,
    },
    xFrameOptions: 'DENY',
    referrerPolicy: 'no-referrer',
    crossOriginOpenerPolicy: 'same-origin',
    // Nobody reaches localhost by https.
    strictTransportSecurity: false,
  })

const ofPages = headers()

/** The library of the reference has its icons within its style. */
const ofReference = headers({ imgSrc: ["'self'", 'data:'] })

const securityHeaders = createMiddleware<Http>((c, next) =>
  (c.req.path === '/console/reference' ? ofReference : ofPages)(c, next),
)

/** Pages for people: what they show and do, the other dialects show and do, too. */
export const pages = new Hono<Http>()
  .onError(onError)
  .use(securityHeaders)
  .route('/', signIn)
  .use(signedIn, rateLimited)
  .get('/', (c) => c.redirect('/console/groups', 303))
  .route('/groups', groups)
  .route('/webhooks', webhooks)
  .route('/activity', activity)
  .route('/usage', usage)
  .route('/settings', settings)
  .route('/reference', reference)
  .route('/jobs', jobs)
  .route('/households', corrections)
  .route('/households', households)
  .route('/people', people)
  .route('/experiments', experiments)
  .route('/audiences', audiences)
  .all('*', unknownOperation)
