import { createMiddleware } from 'hono/factory'
import { Failure } from '../../failure.ts'
import type { Http } from '../http.ts'

/** The path names the workspace that the token is for (CONTRACT 1). Throws `other-workspace`. */
export const ownWorkspace = createMiddleware<Http>(async (c, next) => {
  if (c.req.param('workspace_id') !== String(c.var.workspace))
    throw new Failure({ reason: 'other-workspace' })
  await next()
})
