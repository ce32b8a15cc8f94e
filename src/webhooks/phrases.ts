import { goesOn, spellingsOf } from '../spellings.ts'
import { isTooLong } from '../text.ts'

/** Characters of a person's id, each of two units at most. */
const idMost = 64

const blank = /\s/

/**
 * All that may be somebody's id in a text, however it is spelled there: from one side of a word to
 * that of a word. Undefined where it is more than `most`.
 */
export function phrasesOf(text: string, most: number): Set<string> | undefined {
  const phrases = new Set<string>()
  for (const spelling of spellingsOf(text)) {
    const sides = Array.from({ length: spelling.length + 1 }, (_, at) => at).filter(
      (at) => !goesOn(spelling, at),
    )
    for (const [i, from] of sides.entries()) {
      if (blank.test(spelling.charAt(from))) continue
      for (const to of sides.slice(i + 1, i + 1 + 2 * idMost)) {
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
