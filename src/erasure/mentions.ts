import { excerptOf } from '../jobs/problem.ts'

const word = /[a-z\d]/i

/**
 * Whether a text has one of the ids in it, also as JSON, CSV or a URL spell it. A part of a longer
 * word or number is somebody else's.
 */
export function mentionsOf(people: string[]): (text: string) => boolean {
  const byLength = Map.groupBy(
    new Set(people.flatMap((id) => [id, excerptOf(id)])),
    ({ length }) => length,
  )
  const ids = [...byLength].map(([length, those]) => ({ length, those: new Set(those) }))
  const has = (text: string) =>
    ids.some(({ length, those }) => {
      for (let from = 0; from + length <= text.length; from++)
        if (those.has(text.slice(from, from + length)) && isWhole(text, from, from + length))
          return true
      return false
    })
  return (text) => spellingsOf(text).some(has)
}

const isWhole = (text: string, from: number, to: number): boolean =>
  !goesOn(text, from) && !goesOn(text, to)

/** Whether a word goes on from one side of a place to the other. */
const goesOn = (text: string, at: number): boolean =>
  at > 0 && word.test(text.charAt(at - 1)) && word.test(text.charAt(at))

/** A text as it is, and as JSON, CSV and URLs mean it. */
function spellingsOf(text: string): string[] {
  const ofJson = text.replace(/\\(?:u([\da-f]{4})|(["\\/]))/gi, (_, code: string, sign: string) =>
    sign === undefined ? String.fromCharCode(parseInt(code, 16)) : sign,
  )
  const ofUrl = text.replace(/(?:%[\da-f]{2})+/gi, percentDecoded)
  const spellings = [text, ofJson, text.replaceAll('""', '"'), ofUrl]
  return [...new Set(spellings.map((spelling) => spelling.normalize('NFC')))]
}

function percentDecoded(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}
