import { sql, type SQL } from 'drizzle-orm'
import { personHash } from '../person-hash.ts'
import type { Resources } from '../resources.ts'
import type { Kept, Outcome } from './outcomes.ts'
import { phrasesOf } from './phrases.ts'

/** Whether somebody of a workspace was erased, in SQL. */
export const someErased = (workspace: number): SQL =>
  sql`EXISTS (SELECT 1 FROM erased_people WHERE workspace_id = ${workspace})`

/** Phrases of the answers that are saved together: to hash them takes some fifty milliseconds. */
const phrasesMost = 5000

/** Phrases that are hashed in one go, for some milliseconds. */
const hashedAtOnce = 500

/**
 * The outcomes to save, without answers that have too many phrases, and SQL: whether any other answer
 * names somebody who was erased. Of erased people only hashes are known, so all phrases are hashed.
 */
export async function answersToKeep(
  res: Resources,
  workspace: number,
  outcomes: Outcome[],
): Promise<Kept> {
  let phrases = new Set<string>()
  const kept = outcomes.map((outcome) => {
    const all = phrasesOf(outcome.answer, phrasesMost)?.union(phrases)
    if (all === undefined || all.size > phrasesMost) return { ...outcome, answer: '' }
    phrases = all
    return outcome
  })
  const hashes: string[] = []
  for (const phrase of phrases) {
    hashes.push(personHash(res, workspace, phrase))
    if (hashes.length % hashedAtOnce === 0) await scheduler.wait(0)
  }
  const nameErased = sql`EXISTS (
    SELECT 1 FROM json_each(${JSON.stringify(hashes)}) AS h CROSS JOIN erased_people AS p
      ON p.workspace_id = ${workspace} AND p.person_hash = h.value)`
  return { outcomes: kept, nameErased }
}
