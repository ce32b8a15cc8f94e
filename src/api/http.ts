import type { Caller } from '../access/tokens.ts'
import type { Db } from '../db/connect.ts'
import type { Env, Resources } from '../resources.ts'

/** What handlers share; all but `res` and `requestId` is set once the token is checked. */
export interface Http {
  Bindings: Env
  Variables: {
    res: Resources
    requestId: string
    caller: Caller
    workspace: number
    db: Db
    /** For reads that may be a moment old. */
    replica: Db
  }
}
