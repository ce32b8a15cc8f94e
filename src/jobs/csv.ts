// CSV (RFC 4180) in slices, as text of one character per byte: offsets are bytes. A broken record
// costs only its line: a stray quote cannot swallow the file.

import type { Interruptible } from './interruptible.ts'

/** A record of a slice; its fields are decoded one by one, as slices may cut characters. */
export interface Row {
  /** The record's first line, from 1. */
  line: number
  /** Undefined for broken quotes, bytes that are no UTF-8, too many fields, or more than a slice. */
  fields: string[] | undefined
  /** Whether this is the first record of the file. */
  first: boolean
  /** Whether a field is in quotes. */
  quoted: boolean
  /** Where the record is in the slice, without its line end. */
  from: number
  to: number
}

/** What a slice begins with: the file, a record, or the rest of one longer than a slice. */
export type Place = 'start' | 'row' | 'inside'

/** Where a slice is in its file, and how the file is read. */
export interface SliceStart {
  place: Place
  /** Lines before the slice. */
  line: number
  /** Whether the slice ends with the file. */
  last: boolean
  /** One character of ASCII. */
  separator: string
  /** Whether the first line of the file only names the separator. */
  namesSeparator: boolean
}

export interface Reading {
  /** Characters that were read; the next slice begins there. */
  length: number
  /** Lines that end among them. */
  lines: number
  place: Place
}

export const byteOrderMark = '\u00ef\u00bb\u00bf'

/** The columns of a spreadsheet; millions of fields would take the memory of all. */
const fieldsMost = 16_384

/** A longer field is refused for its length: its escaped quotes may be millions, and stay. */
const unescapedMost = 64 * 1024

/** Characters that are read before others get the thread. */
const readAtOnce = 512 * 1024

/** Visits the complete records of a slice, at most `rowsMax`; blank lines are no records. */
export function* readRows(
  text: string,
  start: SliceStart & { rowsMax: number },
  visit: (row: Row) => void,
): Interruptible<Reading> {
  const { last, separator, rowsMax } = start
  const begun = beginSlice(text, start)
  let { at, line, place } = begun
  if (place === 'inside') return { length: at, lines: line - start.line, place }
  const readFields = beyondAscii.test(text) ? readAsUtf8 : (fields: string[]) => fields
  // The next of each is kept, as most lines have few.
  const lineFeed = finder(text, '\n')
  const carriageReturn = finder(text, '\r')
  const quotes = finder(text, '"')
  const separators = finder(text, separator)
  for (let rows = 0, pause = readAtOnce; at < text.length && rows < rowsMax;) {
    if (at > pause) {
      pause = at + readAtOnce
      yield
    }
    const lineEnd = nearest(lineFeed(at), carriageReturn(at))
    const quote = quotes(at)
    const quoted = quote !== -1 && (lineEnd === -1 || quote < lineEnd)
    let record: Record
    if (quoted) record = readQuoted(text, at, last, separator)
    else if (!last && mayContinue(text, lineEnd)) record = 'unfinished'
    else {
      const content = text.slice(at, lineEnd === -1 ? text.length : lineEnd)
      const next = separators(at)
      const single = next === -1 || (lineEnd !== -1 && next > lineEnd)
      const fields = single ? [content] : content.split(separator, fieldsMost + 1)
      record = fields.length > fieldsMost ? 'broken' : { fields, end: lineEnd }
    }

    if (record === 'unfinished') {
      if (at > 0) break
      // The record is longer than the slice: later slices skip the rest of its line.
      record = 'broken'
    }
    const end = record === 'broken' ? lineEnd : record.end
    const fields = record === 'broken' ? undefined : readFields(record.fields)
    if (fields === undefined || !isBlank(fields, quoted)) {
      const to = end === -1 ? text.length : end
      visit({ line: line + 1, fields, first: place === 'start', quoted, from: at, to })
      rows++
      place = 'row'
    }
    if (end === -1 || (!last && mayContinue(text, end))) {
      at = end === -1 ? text.length : Math.max(end, 1)
      if (!last) place = 'inside'
      break
    }
    line += quoted ? countLines(text.slice(at, end)) + 1 : 1
    at = afterLineEnd(text, end)
  }
  return { length: at, lines: line - start.line, place }
}

/** The fields of a record that `readRows` has read. */
export function fieldsOf(text: string, separator: string): string[] {
  const record = text.includes('"')
    ? readQuoted(text, 0, true, separator)
    : { fields: text.split(separator) }
  if (typeof record === 'string') throw new Error('a record that was read is broken')
  return readAsUtf8(record.fields) ?? []
}

/** A line of empty fields is blank, but a line of only `""` is a record. */
const isBlank = (fields: string[], quoted: boolean): boolean =>
  (!quoted || fields.length > 1) && fields.every((field) => field.trim() === '')

/** Where the first record begins; `place` stays `inside` where the slice has none. */
function beginSlice(text: string, { place, line, last, namesSeparator: named }: SliceStart) {
  if (place === 'start') {
    const at = text.startsWith(byteOrderMark) ? byteOrderMark.length : 0
    // The line is not there where an earlier slice has read it.
    if (!named || separatorNamed(text, at) === undefined) return { at, line, place }
    const end = nextLineEnd(text, at)
    const after = end === -1 ? text.length : afterLineEnd(text, end)
    return { at: after, line: line + 1, place }
  }
  if (place === 'row') return { at: 0, line, place }
  const end = nextLineEnd(text, 0)
  if (end === -1) return { at: text.length, line, place }
  // A carriage return at the end may be half a line end.
  if (!last && mayContinue(text, end)) return { at: Math.max(end, 1), line, place }
  return { at: afterLineEnd(text, end), line: line + 1, place: 'row' as const }
}

/** The separator that a first line names, as Excel writes and reads it: `sep=;`. */
export function separatorNamed(text: string, at: number): string | undefined {
  const line = text.slice(at, at + 64)
  return /^"?sep=([^\w"\s\u0080-\uffff]|\t)"?(?:\1|[ \t])*(?:[\r\n]|$)/i.exec(line)?.[1]
}

/** Finds a character from an index on; the index never goes back. */
function finder(text: string, character: string): (at: number) => number {
  let next = text.indexOf(character)
  return (at) => {
    if (next !== -1 && next < at) next = text.indexOf(character, at)
    return next
  }
}

const nearest = (a: number, b: number) => (a === -1 ? b : b === -1 ? a : Math.min(a, b))

const nextLineEnd = (text: string, at: number) =>
  nearest(text.indexOf('\n', at), text.indexOf('\r', at))

/** Whether the line goes on, or half of its end is, in the next slice. */
const mayContinue = (text: string, end: number) =>
  end === -1 || (end === text.length - 1 && text[end] === '\r')

/** A line ends with a line feed, a carriage return, or both. */
const afterLineEnd = (text: string, end: number) =>
  text[end] === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1

/** The fields of a record, and where its line ends: -1 at the end of the file. */
type Record = { fields: string[]; end: number } | 'broken' | 'unfinished'

function readQuoted(text: string, start: number, last: boolean, separator: string): Record {
  const isLineEnd = (at: number) => text[at] === '\n' || text[at] === '\r'
  const fields: string[] = []
  for (let at = start; ; at++) {
    let field: string
    if (text[at] === '"') {
      const from = at + 1
      let close = text.indexOf('"', from)
      while (close !== -1 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
      if (close === -1) return last ? 'broken' : 'unfinished'
      field = text.slice(from, close)
      if (field.length <= unescapedMost) field = field.replaceAll('""', '"')
      at = close + 1
      // A quote at the end may be half of an escaped one.
      if (at >= text.length && !last) return 'unfinished'
    } else {
      const from = at
      while (at < text.length && text[at] !== separator && !isLineEnd(at))
        if (text[at++] === '"') return 'broken'
      if (at === text.length && !last) return 'unfinished'
      field = text.slice(from, at)
    }
    if (fields.push(field) > fieldsMost) return 'broken'
    if (at >= text.length) return { fields, end: -1 }
    if (isLineEnd(at)) return !last && mayContinue(text, at) ? 'unfinished' : { fields, end: at }
    if (text[at] !== separator) return 'broken'
  }
}

function countLines(text: string): number {
  const lineFeed = finder(text, '\n')
  const carriageReturn = finder(text, '\r')
  for (let at = 0, lines = 0; ; lines++) {
    const end = nearest(lineFeed(at), carriageReturn(at))
    if (end === -1) return lines
    at = afterLineEnd(text, end)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const beyondAscii = /[\u0080-\u00ff]/

function readAsUtf8(fields: string[]): string[] | undefined {
  if (!fields.some((field) => beyondAscii.test(field))) return fields
  try {
    return fields.map((field) => utf8.decode(Buffer.from(field, 'latin1')))
  } catch {
    return undefined
  }
}
