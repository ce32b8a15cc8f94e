import type { problems } from '../db/schema.ts'

/** What was wrong with a row of a file, or with the file as a whole. */
export type Problem = (typeof problems)[number]

/** Characters that are shown of what was refused. */
const shownMax = 64

/** A text that was refused, as it is shown: its beginning, with what nobody sees made visible. */
export function excerptOf(text: string): string {
  return [...text.slice(0, 2 * shownMax)].slice(0, shownMax).map(visible).join('')
}

function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0
  // Unicode has a picture of each control character of ASCII.
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  if (code === 0x7f) return '\u2421'
  if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(character)) return character
  return '\ufffd'
}
