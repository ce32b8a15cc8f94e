import type { Caller } from '../access/tokens.ts'
import type { Db } from '../db/connect.ts'
import type { Env, Resources } from '../resources.ts'

/** What a request carries on its way: `caller`, `workspace` and `db` from the moment its token is checked. */
export interface Http {
  Bindings: Env
  Variables: {
    res: Resources
    requestId: string
    caller: Caller
    workspace: number
    db: Db
    /** For reading what may be a moment old. */
    replica: Db
  }
}
