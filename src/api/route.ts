import type { Context } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Http } from './http.ts'

/** The pattern of the request's route, as its path may have ids of people. */
export const routeOf = (c: Context<Http>): string | undefined =>
  matchedRoutes(c).findLast(({ path }) => !path.endsWith('*'))?.path

const lookups = [
  '/groups/:groupId/participants/:participantId',
  '/participants/:participantId/groups',
  '/memberships',
  '/experiments/:experiment_id/assignments/:participant_id',
  '/experiments/assignments',
  '/ofrep/v1/evaluate/flags/:key',
  '/ofrep/v1/evaluate/flags',
]

/** Whether a route is a look-up of who is in which group or variant, requested far more often than all else. */
export const isLookup = (route: string | undefined): boolean =>
  lookups.some((path) => route?.endsWith(path))
