import { sql, type SQL } from 'drizzle-orm'
import { readId } from '../text.ts'

/** Where the last of the characters that show nothing begin: four thousand of them, and hardly one that does. */
const last = 0xe0000

/** Code points among which are all characters that show nothing by themselves. */
const ranges = [
  [0, 0x1ffff],
  [last, last + 0xfff],
] as const

/** Characters as lists to trim by or look in. */
interface Signs {
  /** What is dropped at the ends of an id. */
  dropped: string
  /** What an id may not consist of alone, what is dropped among it. */
  unseen: string
  /** What such an id may begin with. */
  first: string
}

let found: Signs | undefined

/** As `readId` knows them; looked for once. */
function signs(): Signs {
  if (found !== undefined) return found
  found = { dropped: '', unseen: '', first: '' }
  for (const [from, to] of ranges)
    for (let point = from; point <= to; point++) {
      const sign = String.fromCodePoint(point)
      const read = readId(sign, 1)
      if (!('problem' in read) || sign === '.' || !sign.isWellFormed()) continue
      if (read.problem === 'empty') found.dropped += sign
      else if (/\p{Cc}/u.test(sign)) continue
      else if (point < last) found.first += sign
      found.unseen += sign
    }
  return found
}

const user = sql`u.user_id`

// For GLOB and `length`, a text ends at U+0000.
const ends = sql`instr(${user}, char(0)) > 0`
const control = sql`${ends} OR ${user} GLOB ${'*[\u0001-\u001f\u007f-\u009f]*'}`

/**
 * Whether the id of a user `u` is a participant's just as it stands (see `readId`): read differently, it would be somebody else's. Ids are
 * taken to be in NFC, as they are kept.
 */
export function fits(participantMax: number): SQL {
  const { dropped, unseen, first } = signs()
  return sql`(length(${user}) BETWEEN 1 AND ${participantMax} AND ${user} NOT IN ('.', '..') AND NOT (${control})
    AND iif(octet_length(${user}) = length(${user}), trim(${user}) = ${user}, trim(${user}, ${dropped}) = ${user}
      AND (unicode(${user}) < ${last} AND instr(${first}, substr(${user}, 1, 1)) = 0 OR trim(${user}, ${unseen}) <> '')))`
}

/** What is wrong with one that is none. */
export const unfitness = (participantMax: number): SQL =>
  sql`iif(NOT ${ends} AND length(trim(${user}, ${signs().dropped})) > ${participantMax}, 'too-long', 'format')`
