import { lengthOf } from '../text.ts'

/** Adds a rule's constants to its statement and gives their SQL: a value, or a table of `value`. */
export interface Constants {
  constant: (value: unknown) => string
  listed: (values: unknown[]) => string
}

/** A piece of a pattern between two stars; it begins with no question mark. */
export interface Piece {
  /** Without the question marks at its end. */
  core: string
  /** Characters, with those. */
  length: number
}

/** A pattern of `matches` without duplicates of its stars. */
export interface Pattern {
  /** As GLOB takes it; undefined: it is too long for that. */
  glob: string | undefined
  head: string
  pieces: Piece[]
  /** Undefined: it has no star. */
  tail: string | undefined
}

/** D1 limits patterns of GLOB; a part of a piece has a star on each side. */
const globBytesMax = 50
const partBytesMax = globBytesMax - 2

export function readPattern(pattern: string): Pattern {
  // `*?` is the same as `?*`.
  const simple = pattern.replace(/[*?]+/g, (signs) =>
    signs.includes('*') ? `${signs.replaceAll('*', '')}*` : signs,
  )
  const glob = simple.replaceAll('[', '[[]')
  const [head = '', ...rest] = simple.split('*')
  const tail = rest.pop()
  return {
    glob: Buffer.byteLength(glob) <= globBytesMax ? glob : undefined,
    head,
    pieces: rest.map((piece) => ({ core: withoutEnd(piece), length: lengthOf(piece) })),
    tail,
  }
}

function withoutEnd(piece: string): string {
  let end = piece.length
  while (piece[end - 1] === '?') end--
  return piece.slice(0, end)
}

/** Compiles `matches` for the text `t`, a pattern with `*` and `?`. */
export function compilePattern(pattern: string, constants: Constants): string {
  const { constant } = constants
  // No value contains NUL, and GLOB would end the pattern there.
  if (pattern.includes('\0')) return '0'
  const { glob, head, pieces, tail = '' } = readPattern(pattern)
  if (glob !== undefined) return `t GLOB ${constant(glob)}`
  const [atHead, atTail] = [lengthOf(head), lengthOf(tail)]
  const length = pieces.reduce((sum, piece) => sum + piece.length, atHead + atTail)
  const ends = [...partsOf(head).map(shiftedBy(1)), ...partsOf(tail).map(shiftedBy(-atTail))]
  const found = pieces.some(isWild) ? partByPart : atOnce
  const lists = [
    pieces.map((piece) => piece.length),
    pieces.map(({ core }) => (found === atOnce ? core : partsOf(core).map(anywhere))),
    ends,
  ]
  const conditions = [`length(x)${pattern.includes('*') ? '>=' : '='}${length}`]
  if (ends.length > 0)
    conditions.push(
      `NOT EXISTS(SELECT 1 FROM json_each(q->2) WHERE NOT substr(x,value->>0,value->>1) GLOB value->>2)`,
    )
  if (pieces.length > 0)
    conditions.push(
      `EXISTS(WITH RECURSIVE ${found(atHead + 1)} SELECT 1 FROM f WHERE i=${pieces.length} AND b<=e)`,
    )
  // In a subquery, so that the text is folded once.
  return `(SELECT ${conditions.join(' AND ')}
FROM (SELECT t AS x,length(t)+1-${atTail} AS e,${constant(lists)} AS q))`
}

export const isWild = ({ core }: Piece) => core.includes('?')

/** SQL: in a row, `i` pieces end before `b`. A row finds a piece without question marks. */
const atOnce = (from: number) => `f(i,b) AS (SELECT 0,${from} UNION ALL
SELECT i+1,b+value-1+(q->0->>i)
FROM f,json_each(json_array(nullif(instr(substr(x,b),q->>('$[1]['||i||']')),0)))
WHERE b+(q->0->>i)<=e)`

/**
 * A row tries the parts of a piece at `b`. Of the first one that differs, `j`, the rows behind look
 * for the next place, in `s` places at a time.
 */
const partByPart = (from: number) => `f(i,b,j,s) AS (SELECT 0,${from},NULL,1 UNION ALL
SELECT i+(coalesce(j,value) IS NULL),b+iif(value IS NULL,iif(j IS NULL,q->0->>i,0),s),
ifnull(value,iif(s=1,NULL,j)),iif(value IS NULL,max(1,s/4),iif(j IS NULL,1,2*s))
FROM f,json_each(json_array((SELECT key FROM json_each(q->('$[1]['||i||']')) WHERE ifnull(j,key)=key
AND NOT substr(x,b+(value->>0),s+(value->>1)) GLOB value->>2 LIMIT 1)))
WHERE b+(q->0->>i)<=e)`

/** A part of a piece: offset and length in characters, and a pattern of GLOB. */
type Part = [offset: number, length: number, glob: string]

/** Splits a piece without stars into parts that GLOB takes. */
export function partsOf(piece: string): Part[] {
  const parts: Part[] = []
  let room = 0
  for (const [offset, character] of [...piece].entries()) {
    const glob = character === '[' ? '[[]' : character
    const bytes = Buffer.byteLength(glob)
    const last = parts.at(-1)
    if (last === undefined || bytes > room) {
      parts.push([offset, 1, glob])
      room = partBytesMax - bytes
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

const anywhere = ([offset, length, glob]: Part): Part => [offset, length - 1, `*${glob}*`]
