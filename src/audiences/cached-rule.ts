import { beginningWith, together, type Db } from '../db/connect.ts'
import { Failure } from '../failure.ts'
import type { ResolvedRule } from './compile.ts'
import { resolvedFrom, rowsOf, selectAudience, type AudienceRows } from './resolve.ts'

/** Results of `selectAudience` in this isolate, as JSON, by workspace and id: 4 MB at most. */
const cache = new Map<string, string>()
const entriesMax = 500
const charactersMax = 4000

/** The cached audience is out of date; the results of the query are void. */
class Changed extends Error {
  readonly current: string
  constructor(current: string) {
    super('the audience has changed')
    this.current = current
  }
}

/**
 * Runs a query by an audience's current rule. The query's first batch, which it must have, checks a
 * cached rule. Throws `not-found`, `rule-refused`, and what the query throws.
 */
export async function queryAudience<Answer>(
  db: Db,
  workspace: number,
  id: string,
  query: (db: Db, resolved: ResolvedRule) => Promise<Answer>,
): Promise<Answer> {
  const key = `${workspace} ${id}`
  const select = selectAudience(workspace, id)
  const run = (db: Db, audience: string) =>
    query(db, resolvedFrom(JSON.parse(audience) as AudienceRows, id)) // written below
  const cached = cache.get(key)
  let current: string | undefined
  if (cached !== undefined) {
    const checked = beginningWith(db, select, (results) => {
      const found = JSON.stringify(rowsOf(results))
      if (found !== cached) throw new Changed(found)
    })
    try {
      return await run(checked, cached)
    } catch (error) {
      if (error instanceof Failure) throw error
      // An outdated rule may have caused the error: do not use it again.
      cache.delete(key)
      if (!(error instanceof Changed)) throw error
      current = error.current
    }
  }
  current ??= JSON.stringify(rowsOf(await together(db, select)))
  const answer = await run(db, current)
  store(key, current)
  return answer
}

function store(key: string, audience: string): void {
  if (audience.length > charactersMax) return
  if (cache.size >= entriesMax) cache.delete(cache.keys().next().value ?? '')
  cache.set(key, audience)
}
