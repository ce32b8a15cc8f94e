import { createMiddleware } from 'hono/factory'
import { Failure } from '../../failure.ts'
import type { Http } from '../http.ts'

/** Checks that the token is for the workspace of the path. Throws `other-workspace`. */
export const ownWorkspace = createMiddleware<Http>(async (c, next) => {
  if (c.req.param('workspace_id') !== String(c.var.workspace))
    throw new Failure({ reason: 'other-workspace' })
  await next()
})
