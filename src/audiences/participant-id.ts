import { sql, type SQL } from 'drizzle-orm'
import { control, readId } from '../text.ts'

/** Nearly all code points of this block are invisible. */
const invisibleBlock = 0xe0000

/** Ranges of code points that contain all invisible characters. */
const ranges = [
  [0, 0x1ffff],
  [invisibleBlock, invisibleBlock + 0xfff],
] as const

/** Sets of characters, each as one string. */
interface CharacterSets {
  /** Trimmed from the ends of an id. */
  trimmed: string
  /** An id of these alone is refused; they include `trimmed`. */
  invisible: string
  /** What such an id may begin with. */
  first: string
}

let cached: CharacterSets | undefined

/** The sets that `readId` implies. */
function characterSets(): CharacterSets {
  if (cached !== undefined) return cached
  cached = { trimmed: '', invisible: '', first: '' }
  for (const [from, to] of ranges)
    for (let point = from; point <= to; point++) {
      const character = String.fromCodePoint(point)
      const read = readId(character, 1)
      if (!('problem' in read) || character === '.' || !character.isWellFormed()) continue
      if (read.problem === 'empty') cached.trimmed += character
      else if (control.test(character)) continue
      else if (point < invisibleBlock) cached.first += character
      cached.invisible += character
    }
  return cached
}

const user = sql`u.user_id`

// For GLOB and `length`, a text ends at U+0000.
const hasNul = sql`instr(${user}, char(0)) > 0`
const hasControl = sql`${hasNul} OR ${user} GLOB ${'*[\u0001-\u001f\u007f-\u009f]*'}`

/** SQL: whether `readId` leaves the id of a user `u`, which is in NFC, unchanged. */
export function isParticipantId(participantMax: number): SQL {
  const { trimmed, invisible, first } = characterSets()
  return sql`(length(${user}) BETWEEN 1 AND ${participantMax} AND ${user} NOT IN ('.', '..')
    AND NOT (${hasControl})
    AND iif(octet_length(${user}) = length(${user}), trim(${user}) = ${user},
      trim(${user}, ${trimmed}) = ${user}
      AND (unicode(${user}) < ${invisibleBlock} AND instr(${first}, substr(${user}, 1, 1)) = 0
        OR trim(${user}, ${invisible}) <> '')))`
}

/** SQL: the problem of an id that is no participant's. */
export const participantIdProblem = (participantMax: number): SQL => sql`
  iif(NOT ${hasNul} AND length(trim(${user}, ${characterSets().trimmed})) > ${participantMax},
    'too-long', 'format')`
