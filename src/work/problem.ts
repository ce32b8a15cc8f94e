import type { problems } from '../db/schema.ts'

/** What was wrong with a row of a file, or with the file as a whole. */
export type Problem = (typeof problems)[number]

/** Characters that are shown of what was refused. */
const shownMax = 64

/** A text that was refused, as it is shown: its beginning, with what nobody sees made visible. */
export function shown(text: string): string {
  const beginning = [...text.slice(0, 4 * shownMax)].map(visible).slice(0, shownMax)
  return beginning.join('').slice(0, 2 * shownMax)
}

function visible(sign: string): string {
  const code = sign.codePointAt(0) ?? 0
  // Unicode has a picture of each control character of ASCII.
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  if (code === 0x7f) return '\u2421'
  if (code === 0x20 || !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(sign)) return sign
  return '\ufffd'
}
