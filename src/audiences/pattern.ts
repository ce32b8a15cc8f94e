import { lengthOf } from '../text.ts'

/** Adds a rule's constants to its statement and gives their SQL: a value, or a table of `value`. */
export interface Constants {
  constant: (value: unknown) => string
  listed: (values: unknown[]) => string
}

/**
 * Compiles `matches` for the text `t`, a pattern with `*` and `?`. It works part by part, as D1
 * limits patterns of LIKE and GLOB to 50 bytes.
 */
export function compilePattern(pattern: string, constants: Constants): string {
  const { constant } = constants
  // No value contains NUL, and GLOB would end the pattern there.
  if (pattern.includes('\0')) return '0'
  const [head = '', ...rest] = pattern.split(/\*+/)
  const tail = rest.pop()
  if (tail === undefined)
    return `length(t)=${lengthOf(head)} AND ${partsMatch('t', '1', constant(partsOf(head)))}`
  const ends = [
    ...partsOf(head).map(shiftedBy(1)),
    ...partsOf(tail).map(shiftedBy(-lengthOf(tail))),
  ]
  const conditions = [
    `length(t)>=${[head, ...rest, tail].reduce((sum, piece) => sum + lengthOf(piece), 0)}`,
  ]
  if (ends.length > 0) conditions.push(partsMatch('t', '0', constant(ends)))
  const between = `substr(t,${lengthOf(head) + 1},length(t)-${lengthOf(head) + lengthOf(tail)})`
  const [only] = rest
  if (only !== undefined && rest.length === 1 && !only.includes('?'))
    conditions.push(`instr(${between},${constant(only)})>0`)
  else if (only !== undefined)
    conditions.push(
      `(SELECT ${rest.length}=${piecesFound('x', rest, constants)} FROM (SELECT ${between} AS x))`,
    )
  return conditions.join(' AND ')
}

/** SQL: how many pieces follow each other in a text; in a row, `i` of them end before `b`. */
function piecesFound(text: string, pieces: string[], { constant }: Constants): string {
  const listed = constant(
    pieces.map((piece) => [
      lengthOf(piece),
      ...(piece.includes('?') ? [null, partsOf(piece)] : [piece]),
    ]),
  )
  // With question marks, a row tries one place; `instr` finds the others at once.
  const found = `iif(s.value->>1 IS NULL,${partsMatch(text, 'b', 's.value->2')},instr(substr(${text},b),s.value->>1))`
  return `(WITH RECURSIVE f(i,b) AS (SELECT 0,1 UNION ALL
SELECT i+(h.value>0),b+iif(h.value>0,h.value-1+(s.value->>0),1)
FROM f,json_each(${listed}) AS s,json_each(json_array(${found})) AS h
WHERE s.key=i AND b+(s.value->>0)<=length(${text})+1 AND (h.value>0 OR s.value->>1 IS NULL))
SELECT max(i) FROM f)`
}

/** A part of a piece: offset and length in characters, and a pattern of GLOB. */
type Part = [offset: number, length: number, glob: string]

/** SQL: whether parts, as JSON, match at their offsets from `start`; negative: from the end. */
const partsMatch = (text: string, start: string, parts: string) =>
  `NOT EXISTS(SELECT 1 FROM json_each(${parts})
WHERE NOT substr(${text},${start}+(value->>0),value->>1) GLOB value->>2)`

const globBytesMax = 50

/** Splits a piece without stars into parts that GLOB takes. */
function partsOf(piece: string): Part[] {
  const parts: Part[] = []
  let room = 0
  for (const [offset, character] of [...piece].entries()) {
    const glob = character === '[' ? '[[]' : character
    const bytes = Buffer.byteLength(glob)
    const last = parts.at(-1)
    if (last === undefined || bytes > room) {
      parts.push([offset, 1, glob])
      room = globBytesMax - bytes
    } else {
      last[1]++
      last[2] += glob
      room -= bytes
    }
  }
  return parts
}

const shiftedBy =
  (by: number) =>
  ([offset, length, glob]: Part): Part => [offset + by, length, glob]
