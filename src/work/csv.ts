/**
 * Records of a CSV file (RFC 4180), read slice by slice.
 *
 * A slice is given as text of one character per byte (latin1), so that places in it are byte offsets of the file. Bytes are
 * read as UTF-8 field by field, which is why a slice may begin or end inside a character. A record that is broken costs its own
 * line and no other: a parser that reads on to the next quote would let one stray quote swallow the rest of a customer's file.
 */
export interface Row {
  /** From 1; a record that spans lines is named by its first. */
  line: number
  /** The fields, or undefined where quoting is broken, bytes are not UTF-8 or the record is longer than a slice. */
  fields: string[] | undefined
  /** Whether this is the first record of the file. */
  first: boolean
}

/** What a slice begins with: the file, a record, or the rest of a record that was too long for its slice. */
export type Place = 'start' | 'row' | 'inside'

export interface Reading {
  /** Characters of the slice that are dealt with; the next slice begins there. */
  length: number
  /** Line feeds among them. */
  lines: number
  place: Place
}

const byteOrderMark = '\u00ef\u00bb\u00bf'

/**
 * Visits the records that a slice holds whole, at most `most` of them; blank lines are not records.
 * `line` counts the lines before the slice, and `last` says that the slice ends with the file.
 */
export function readRows(
  text: string,
  { place, line, last, most }: { place: Place; line: number; last: boolean; most: number },
  visit: (row: Row) => void,
): Reading {
  const before = line
  let at = place === 'start' && text.startsWith(byteOrderMark) ? byteOrderMark.length : 0
  if (place === 'inside') {
    const end = text.indexOf('\n')
    if (end === -1) return { length: text.length, lines: 0, place }
    at = end + 1
    line++
    place = 'row'
  }
  const readFields = beyondAscii.test(text) ? readAsUtf8 : (fields: string[]) => fields
  // Where the next of each stands: most lines hold neither, and cost no search of their own.
  let quote = text.indexOf('"', at)
  let comma = text.indexOf(',', at)
  for (let rows = 0; at < text.length && rows < most;) {
    const lineEnd = text.indexOf('\n', at)
    if (quote !== -1 && quote < at) quote = text.indexOf('"', at)
    if (comma !== -1 && comma < at) comma = text.indexOf(',', at)
    const quoted = quote !== -1 && (lineEnd === -1 || quote < lineEnd)
    let record: Record
    if (quoted) record = readQuoted(text, at, last)
    else if (lineEnd === -1 && !last) record = 'unfinished'
    else {
      const line = withoutReturn(text.slice(at, lineEnd === -1 ? text.length : lineEnd))
      record = {
        fields: comma === -1 || (lineEnd !== -1 && comma > lineEnd) ? [line] : line.split(','),
        end: lineEnd,
      }
    }

    if (record === 'unfinished') {
      if (at > 0) break
      // The whole slice is one record: it is refused here, and the slices to come skip the rest of its line.
      record = 'broken'
    }
    const end = record === 'broken' ? lineEnd : record.end
    const fields = record === 'broken' ? undefined : readFields(record.fields)
    if (fields === undefined || quoted || fields.length > 1 || fields[0]?.trim() !== '') {
      visit({ line: line + 1, fields, first: place === 'start' })
      rows++
      place = 'row'
    }
    if (end === -1) {
      at = text.length
      if (!last) place = 'inside'
      break
    }
    line += quoted ? countLines(text, at, end) + 1 : 1
    at = end + 1
  }
  return { length: at, lines: line - before, place }
}

/** A record's fields and where its line feed stands, or -1 where the file ends instead. */
type Record = { fields: string[]; end: number } | 'broken' | 'unfinished'

function readQuoted(text: string, start: number, last: boolean): Record {
  const fields: string[] = []
  for (let at = start; ; at++) {
    let field: string
    if (text[at] === '"') {
      const from = at + 1
      let close = text.indexOf('"', from)
      while (close !== -1 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
      if (close === -1) return last ? 'broken' : 'unfinished'
      field = text.slice(from, close).replaceAll('""', '"')
      at = close + 1
      if (text[at] === '\r' && (text[at + 1] === '\n' || at + 1 === text.length)) at++
      // What follows decides: a quote at the very end may be the first half of an escaped one, a return that of a line's end.
      if (at >= text.length && !last) return 'unfinished'
    } else {
      const from = at
      while (at < text.length && text[at] !== ',' && text[at] !== '\n')
        if (text[at++] === '"') return 'broken'
      if (at === text.length && !last) return 'unfinished'
      field = text.slice(from, at)
      if (text[at] !== ',') field = withoutReturn(field)
    }
    fields.push(field)
    if (at >= text.length) return { fields, end: -1 }
    if (text[at] === '\n') return { fields, end: at }
    if (text[at] !== ',') return 'broken'
  }
}

const withoutReturn = (text: string) =>
  text.charCodeAt(text.length - 1) === 13 ? text.slice(0, -1) : text

function countLines(text: string, from: number, to: number): number {
  let lines = 0
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1))
    lines++
  return lines
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const beyondAscii = /[\u0080-\u00ff]/

function readAsUtf8(fields: string[]): string[] | undefined {
  if (!fields.some((field) => beyondAscii.test(field))) return fields
  try {
    return fields.map((field) => utf8.decode(Uint8Array.from(field, (char) => char.charCodeAt(0))))
  } catch {
    return undefined
  }
}
