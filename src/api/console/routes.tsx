import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import type { Http } from '../http.ts'
import { rateLimited } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { audiences } from './audiences.tsx'
import { onError } from './errors.tsx'
import { experiments } from './experiments.tsx'
import { groups } from './groups.tsx'
import { job } from './job.tsx'
import { households } from './households.tsx'
import { people } from './people.tsx'
import { signedIn } from './session.ts'
import { signIn } from './sign-in.tsx'

/** Nothing of anybody else's host, and no code or style within a page. */
const strict = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    objectSrc: ["'none'"],
  },
  xFrameOptions: 'DENY',
  referrerPolicy: 'no-referrer',
  crossOriginOpenerPolicy: 'same-origin',
  // Nobody reaches localhost by https.
  strictTransportSecurity: false,
})

/** Pages for people: what they show and do, the other dialects show and do, too. */
export const pages = new Hono<Http>()
  .onError(onError)
  .use(strict)
  .route('/', signIn)
  .use(signedIn, rateLimited)
  .get('/', (c) => c.redirect('/console/groups', 303))
  .route('/groups', groups)
  .route('/jobs', job)
  .route('/households', households)
  .route('/people', people)
  .route('/experiments', experiments)
  .route('/audiences', audiences)
  .all('*', unknownOperation)
