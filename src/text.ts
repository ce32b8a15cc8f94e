/** Any control character: C0, DEL and C1. */
export const control = /\p{Cc}/u

// Blanks, and characters that nobody sees by themselves (Unicode Cf: zero-width, directional, soft hyphen, byte order mark).
const unseen = /^[\s\p{Cf}]$/u

// The same and what else shows nothing, such as the fillers of Hangul and the blank of Braille.
const nothingVisible = /^[\s\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]*$/u

const visibleAscii = /^[!-~]+$/

/** A text without the blanks and the invisible at its ends. */
export function trimmed(text: string): string {
  let from = 0
  let to = text.length
  // Sign by character: a pattern for the end would look at every blank within, again and again.
  while (from < to) {
    const character = String.fromCodePoint(text.codePointAt(from) ?? 0)
    if (!unseen.test(character)) break
    from += character.length
  }
  while (to > from) {
    const character = lastCharacter(text, from, to)
    if (!unseen.test(character)) break
    to -= character.length
  }
  return text.slice(from, to)
}

function lastCharacter(text: string, from: number, to: number): string {
  const pair = to - 2 >= from ? text.slice(to - 2, to) : ''
  return pair.length === 2 && (pair.codePointAt(0) ?? 0) > 0xffff ? pair : text.slice(to - 1, to)
}

/** A text as ids and values are compared: trimmed and in NFC; also of a text that is no valid id. */
export function canonical(text: string): string {
  return visibleAscii.test(text) ? text : trimmed(text).normalize('NFC')
}

/** Characters of a text: code points, so that an emoji is one. */
export const lengthOf = (text: string): number =>
  visibleAscii.test(text) ? text.length : [...text].length

/** Whether a text has more characters than `max`. */
export const isTooLong = (text: string, max: number): boolean =>
  text.length > max && lengthOf(text) > max

/** What is wrong with an id or a name. */
export type IdProblem = 'empty' | 'format' | 'too-long'

/**
 * An id or a name as it is kept, or what is wrong with it. Everything that names something is read here, wherever it comes from: files,
 * bodies, paths, contexts of flags. `.` and `..` are refused as no path can carry them.
 */
export function readId(text: string, max: number): { id: string } | { problem: IdProblem } {
  const id = canonical(text)
  if (id === '') return { problem: 'empty' }
  if (isTooLong(id, max)) return { problem: 'too-long' }
  if (id === '.' || id === '..') return { problem: 'format' }
  if (visibleAscii.test(id)) return { id }
  return control.test(id) || !id.isWellFormed() || nothingVisible.test(id)
    ? { problem: 'format' }
    : { id }
}

const ascii = /^[\0-\x7f]*$/

/**
 * A text without regard to case, for every letter, and in NFC. A small letter with two capitals (`ß`, `SS`) equals them; the
 * dotless `ı` is a letter of its own.
 */
export function folded(text: string): string {
  if (ascii.test(text)) return text.toLowerCase()
  return text
    .normalize('NFC')
    .split('ı')
    .map((part) => part.toLowerCase().toUpperCase().toLowerCase())
    .join('ı')
    .replaceAll('ς', 'σ')
    .normalize('NFC')
}

/** The same of a text beyond ASCII, which SQLite's `lower` does not fold; null of ASCII. */
export const foldedBeyondAscii = (text: string): string | null =>
  ascii.test(text) ? null : folded(text)
