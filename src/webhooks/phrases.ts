import { goesOn, spellingsOf } from '../spellings.ts'
import { isTooLong } from '../text.ts'

/** Characters of a person's id; one takes two UTF-16 units at most. */
const idMost = 64

const blank = /\s/

/**
 * All phrases of a text that may be somebody's id, however it is spelled there: each from one edge of
 * a word to another. Undefined where there are more than `most`.
 */
export function phrasesOf(text: string, most: number): Set<string> | undefined {
  const phrases = new Set<string>()
  for (const spelling of spellingsOf(text)) {
    const edges = Array.from({ length: spelling.length + 1 }, (_, at) => at).filter(
      (at) => !goesOn(spelling, at),
    )
    for (const [i, from] of edges.entries()) {
      if (blank.test(spelling.charAt(from))) continue
      for (const to of edges.slice(i + 1, i + 1 + 2 * idMost)) {
        if (to - from > 2 * idMost) break
        const phrase = spelling.slice(from, to)
        if (blank.test(phrase.slice(-1)) || isTooLong(phrase, idMost)) continue
        phrases.add(phrase)
        if (phrases.size > most) return undefined
      }
    }
  }
  return phrases
}
