import { sql, type SQL } from 'drizzle-orm'
import { canonical, folded } from '../text.ts'

/** Blanks as JavaScript's \s knows them, but for the one that stands for them. */
const otherBlanks = [
  ...'\t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a',
  ...'\u2028\u2029\u202f\u205f\u3000\ufeff',
]

/** A text with one blank for each run of them within. */
export const collapsed = (text: string): string => text.trim().replace(/\s+/g, ' ')

/** The value of the group that users with this value of the source are in. */
export function groupValue(text: string, matching: 'normalized' | null): string {
  const value = canonical(text)
  return matching === 'normalized' ? collapsed(folded(value)) : value
}

/** As often as a value of 4,096 blanks can be halved. */
const halvings = 12

/** The same of a text without regard to case, in SQL; of blanks alone, one. */
export function collapsedIn(text: SQL): SQL {
  const spaced = otherBlanks.reduce((all, blank) => sql`replace(${all}, ${blank}, ' ')`, text)
  const once = Array.from({ length: halvings }).reduce<SQL>(
    (all) => sql`replace(${all}, '  ', ' ')`,
    spaced,
  )
  return sql`coalesce(nullif(trim(${once}), ''), ' ')`
}
