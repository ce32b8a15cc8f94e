import { sql, type SQL } from 'drizzle-orm'
import { canonical, folded } from '../text.ts'

/** The characters from one code to another. */
export const charactersFrom = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i)).join('')

const candidates = [
  charactersFrom(0x09, 0x20),
  '\u00a0\u00ad\u061c\u1680\u180e',
  charactersFrom(0x2000, 0x206f),
  '\u3000\ufeff',
  charactersFrom(0x0600, 0x0605),
  '\u06dd\u070f\u0890\u0891\u08e2',
  charactersFrom(0xfff9, 0xfffb),
]

/** Blanks and invisible characters, which SQLite's trim leaves. */
export const invisible = candidates.join('').replace(/[^\s\p{Cf}]/gu, '')

/** What JavaScript's \s matches, except the space itself. */
const rareBlanks = invisible.replace(/[^\s]| /gu, '').split('')

/** A text with one space for each run of blanks. */
export const collapsed = (text: string): string => text.trim().replace(/\s+/g, ' ')

/** The group that users with this value of the source belong to. */
export function groupValue(text: string, matching: 'normalized' | null): string {
  const value = canonical(text)
  return matching === 'normalized' ? collapsed(folded(value)) : value
}

/** How often a value of 4,096 blanks can be halved. */
const halvings = 12

/** `collapsed` in SQL, of a text whose case is folded; only blanks become one space. */
export function collapsedSql(text: SQL): SQL {
  const spaced = rareBlanks.reduce((all, blank) => sql`replace(${all}, ${blank}, ' ')`, text)
  const collapsed = Array.from({ length: halvings }).reduce<SQL>(
    (all) => sql`replace(${all}, '  ', ' ')`,
    spaced,
  )
  return sql`coalesce(nullif(trim(${collapsed}, ${invisible}), ''), ' ')`
}
