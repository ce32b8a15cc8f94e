import type { Context } from 'hono'
import type { Caller } from '../access/tokens.ts'
import type { Db } from '../db/connect.ts'
import type { Expected } from '../experience/expected.ts'
import type { UploadPart } from '../jobs/upload.ts'
import type { Env, Resources } from '../resources.ts'

/** What handlers share; all but `res`, `requestId` and `parts` is set once the token is checked. */
export interface Http {
  Bindings: Env
  Variables: {
    res: Resources
    requestId: string
    caller: Caller
    workspace: number
    /** For writes, and for what was made a moment ago: its maker may know no bookmark. */
    db: Db
    /** For reads that show no older state than the request's bookmark: lists, look-ups, profiles. */
    replica: Db
    /** Of the console: what each form of the session sends, and the form that was sent. */
    formToken: string
    /** Of the console: the name of who is signed in, a person or a client. */
    who: string
    form: URLSearchParams
    /** What `If-Match` says, once it is read: of routes with `ifMatch`. */
    expected?: Expected | undefined
    /** Of an upload, as they arrive. */
    parts: AsyncGenerator<UploadPart>
  }
}

/** Takes work that goes on after the answer. */
export const afterAnswer = (c: Context<Http>) => (work: Promise<void>) =>
  c.executionCtx.waitUntil(work)
