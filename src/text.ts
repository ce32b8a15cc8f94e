/** Any control character: C0, DEL and C1. */
export const control = /\p{Cc}/u

// White space and Unicode Cf: zero-width, directional, soft hyphen, byte order mark.
const invisible = /^[\s\p{Cf}]$/u

// And other blanks, such as the fillers of Hangul and the blank of Braille.
const nothingVisible = /^[\s\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]*$/u

const visibleAscii = /^[!-~]+$/

/** A text without white space and invisible characters at its ends. */
export function trimmed(text: string): string {
  let from = 0
  let to = text.length
  // Not a pattern: one for the end would try every blank within, again and again.
  while (from < to) {
    const character = String.fromCodePoint(text.codePointAt(from) ?? 0)
    if (!invisible.test(character)) break
    from += character.length
  }
  while (to > from) {
    const character = lastCharacter(text, from, to)
    if (!invisible.test(character)) break
    to -= character.length
  }
  return text.slice(from, to)
}

function lastCharacter(text: string, from: number, to: number): string {
  const pair = to - 2 >= from ? text.slice(to - 2, to) : ''
  return pair.length === 2 && (pair.codePointAt(0) ?? 0) > 0xffff ? pair : text.slice(to - 1, to)
}

/** A text as ids and values are compared: trimmed, and in NFC. */
export function canonical(text: string): string {
  return visibleAscii.test(text) ? text : trimmed(text).normalize('NFC')
}

/** Characters of a text: code points, so that an emoji is one. */
export const lengthOf = (text: string): number =>
  visibleAscii.test(text) ? text.length : [...text].length

/** Whether a text has more characters than `max`. */
export const isTooLong = (text: string, max: number): boolean =>
  // A character has two units at most.
  text.length > 2 * max || (text.length > max && lengthOf(text) > max)

/** What is wrong with an id or a name. */
export type IdProblem = 'empty' | 'format' | 'too-long'

/**
 * An id or a name as it is stored, or what is wrong with it; `max` in characters. `.` and `..` are
 * refused, as no path can carry them.
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

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i

export const isUuid = (text: string): boolean => uuid.test(text)

// Unicode Cf, and what breaks a line.
const unseen = /[\p{Cf}\p{Zl}\p{Zp}]/u
/** Whole emoji: a joiner makes one of several. */
const emoji = /\p{RGI_Emoji}/gv

/** Why a new id, read by `readId`, is refused, as the end of a sentence. */
export const problemOfChosenId = (id: string): string | undefined =>
  unseen.test(id.replace(emoji, '')) ? 'cannot have invisible characters within' : undefined

/** The same of a name of something that has a UUID as well, which a name must not look like. */
export const problemOfName = (name: string): string | undefined =>
  isUuid(name) ? 'cannot have the form of a UUID' : problemOfChosenId(name)

const ascii = /^[\0-\x7f]*$/

/**
 * A text in NFC and without regard to case: `ß` equals `SS`, the dotless `ı` nothing but itself.
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

/** The same, and null for ASCII, which SQLite's `lower` folds. */
export const foldedBeyondAscii = (text: string): string | null =>
  ascii.test(text) ? null : folded(text)
