import type { Interruptible } from '../jobs/interruptible.ts'
import { excerptOf } from '../jobs/problem.ts'
import { goesOn, spellingsOf } from '../spellings.ts'

/**
 * Whether a text has one of the ids in it, also as JSON, CSV or a URL spell it. A part of a longer
 * word or number is somebody else's.
 */
export function mentionsOf(people: string[]): (text: string) => boolean {
  const ids = new Set(people.flatMap((id) => [id, excerptOf(id)]))
  // By their first 1, 2, 4, 8 … units: a thousand ids of any lengths then take few looks at a place.
  const byLength = [...Map.groupBy(ids, ({ length }) => 2 ** Math.floor(Math.log2(length)))]
  const beginnings = byLength.map(([length, those]) => ({
    length,
    ids: Map.groupBy(those, (id) => id.slice(0, length)),
  }))
  const has = (text: string) =>
    beginnings.some(({ length, ids }) => {
      for (let from = 0; from + length <= text.length; from++) {
        const those = ids.get(text.slice(from, from + length)) ?? []
        if (those.some((id) => isAt(text, from, id))) return true
      }
      return false
    })
  return (text) => spellingsOf(text).some(has)
}

/** Texts that are looked at in one go, for some milliseconds. */
const textsAtOnce = 20

/** The rows of which `mentions` holds. */
export function* findMentioning<Row>(
  rows: Row[],
  mentions: (row: Row) => boolean,
): Interruptible<Row[]> {
  const found: Row[] = []
  for (const [i, row] of rows.entries()) {
    if (mentions(row)) found.push(row)
    if (i % textsAtOnce === textsAtOnce - 1) yield
  }
  return found
}

const isAt = (text: string, from: number, id: string): boolean =>
  text.startsWith(id, from) && isWhole(text, from, from + id.length)

const isWhole = (text: string, from: number, to: number): boolean =>
  !goesOn(text, from) && !goesOn(text, to)
