import { lengthOf } from '../text.ts'

/** How a condition refers to the constants of its rule: one as a value, and several as a table with a column `value`. */
export interface Constants {
  constant: (value: unknown) => string
  listed: (values: unknown[]) => string
}

/**
 * LIKE and GLOB take patterns of 50 bytes on D1. Here what stands before the first star and after the last is compared in its place, part by
 * part, and the pieces between them are found one after the other, each as far to the left as it can be.
 */
export function matching(pattern: string, constants: Constants): string {
  const { constant } = constants
  // No value has one, and GLOB would read no further.
  if (pattern.includes('\0')) return '0'
  const [head = '', ...rest] = pattern.split(/\*+/)
  const tail = rest.pop()
  if (tail === undefined)
    return `length(t)=${lengthOf(head)} AND ${standing('t', '1', constant(partsOf(head)))}`
  const ends = [...partsOf(head).map(from(1)), ...partsOf(tail).map(from(-lengthOf(tail)))]
  const conditions = [
    `length(t)>=${[head, ...rest, tail].reduce((sum, piece) => sum + lengthOf(piece), 0)}`,
  ]
  if (ends.length > 0) conditions.push(standing('t', '0', constant(ends)))
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

/** How many of the pieces are found: `i` of them are, before the place `b`. One without question marks takes a step, others one for each place. */
function piecesFound(text: string, pieces: string[], { constant }: Constants): string {
  const listed = constant(
    pieces.map((piece) => [
      lengthOf(piece),
      ...(piece.includes('?') ? [null, partsOf(piece)] : [piece]),
    ]),
  )
  const found = `iif(s.value->>1 IS NULL,${standing(text, 'b', 's.value->2')},instr(substr(${text},b),s.value->>1))`
  return `(WITH RECURSIVE f(i,b) AS (SELECT 0,1 UNION ALL SELECT i+(h.value>0),b+iif(h.value>0,h.value-1+(s.value->>0),1)
FROM f,json_each(${listed}) AS s,json_each(json_array(${found})) AS h
WHERE s.key=i AND b+(s.value->>0)<=length(${text})+1 AND (h.value>0 OR s.value->>1 IS NULL)) SELECT max(i) FROM f)`
}

/** A part of a piece of a pattern: where it begins, its length in characters, and itself as a pattern of GLOB. */
type Part = [at: number, length: number, glob: string]

/** Whether parts, as JSON, stand where they should if they begin at a place of a text; from its end where that is negative. */
const standing = (text: string, place: string, parts: string) =>
  `NOT EXISTS(SELECT 1 FROM json_each(${parts}) WHERE NOT substr(${text},${place}+(value->>0),value->>1) GLOB value->>2)`

const globMax = 50

/** A piece without stars in parts that GLOB takes, each question mark for one character. */
function partsOf(piece: string): Part[] {
  const parts: Part[] = []
  let room = 0
  for (const [at, sign] of [...piece].entries()) {
    const glob = sign === '[' ? '[[]' : sign
    const bytes = Buffer.byteLength(glob)
    const last = parts.at(-1)
    if (last === undefined || bytes > room) {
      parts.push([at, 1, glob])
      room = globMax - bytes
    } else {
      last[1]++
      last[2] += glob
      room -= bytes
    }
  }
  return parts
}

const from =
  (place: number) =>
  ([at, length, glob]: Part): Part => [place + at, length, glob]
