import { beginningWith, together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { ResolvedRule } from './compile.ts'
import { resolvedFrom, lookUps, type Rows } from './resolve.ts'

/** What looking audiences up gave when this isolate last asked, as JSON, by workspace and id. Four megabytes at most. */
const seen = new Map<string, string>()
const seenMost = 500
const charactersMost = 4000

/** The audience is not what it was: nothing that was asked of it counts. */
class Changed extends Error {
  readonly found: string
  constructor(found: string) {
    super('the audience has changed')
    this.found = found
  }
}

/**
 * Asks a question of an audience as it is now, in one round trip where it still is as this isolate saw it last: the first batch of the question,
 * which must have one, looks for that along the way. Throws `not-found`, `rule-refused`, and what the question throws.
 */
export async function askAudience<Answer>(
  db: Db,
  workspace: number,
  id: string,
  question: (db: Db, asked: ResolvedRule) => Promise<Answer>,
): Promise<Answer> {
  const key = `${workspace} ${id}`
  const known = seen.get(key)
  const looks = lookUps(workspace, id)
  const ask = (db: Db, found: string) => question(db, resolvedFrom(JSON.parse(found) as Rows[], id)) // written by `textOf`

  let found: string | undefined
  if (known !== undefined) {
    const checking = beginningWith(db, looks, (results) => {
      const now = textOf(results)
      if (now !== known) throw new Changed(now)
    })
    try {
      return await ask(checking, known)
    } catch (error) {
      if (error instanceof Failure) throw error
      // Whatever else went wrong may be the rule's fault, which must not be asked by again if it has been replaced meanwhile.
      seen.delete(key)
      if (!(error instanceof Changed)) throw error
      found = error.found
    }
  }
  found ??= textOf(await together(db, looks))
  const answer = await ask(db, found)
  keep(key, found)
  return answer
}

const textOf = (results: D1Result[]) =>
  JSON.stringify(results.map(({ results }): Rows => ({ results })))

function keep(key: string, found: string): void {
  if (found.length > charactersMost) return
  if (seen.size >= seenMost) seen.delete(seen.keys().next().value ?? '')
  seen.set(key, found)
}
