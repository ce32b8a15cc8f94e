import type { problems } from '../db/schema.ts'

/** What is wrong with a row, or with the whole file. */
export type Problem = (typeof problems)[number]

/** Characters that are shown of what was refused. */
const shownMax = 64

/** The beginning of a refused text, with invisible characters made visible. */
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
