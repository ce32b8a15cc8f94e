const word = /[a-z\d]/i

/** Whether a word or number goes on from one side of a place in a text to the other. */
export const goesOn = (text: string, at: number): boolean =>
  at > 0 && word.test(text.charAt(at - 1)) && word.test(text.charAt(at))

/** A text as it is, and as JSON, CSV and URLs mean it. */
export function spellingsOf(text: string): string[] {
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
