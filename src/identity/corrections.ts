import { and, asc, eq, gt } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { groupCorrections } from '../db/schema.ts'
import { isUuid } from '../text.ts'
import { getDefinition, type GroupDefinition } from './definitions.ts'
import { groupValue } from './matching.ts'

export type CorrectionRow = typeof groupCorrections.$inferSelect

/** Where a user belongs: with another user, with those who have a value, or alone. */
export type Correction = { with: string } | { value: string } | { alone: true }

/** Begins with what `canonical` takes from a text, so that nobody's value is equal. */
const mark = '\u2060'

/** A value of a group that no user has, and nobody is shown. */
export const newUnshownValue = () => `${mark}${crypto.randomUUID()}`

/** Whether a group's value is one that nobody is shown. */
export const isUnshown = (value: string): boolean =>
  value.startsWith(mark) && isUuid(value.slice(mark.length))

/** Where a page goes on behind the group of a user who is alone: it has no value to show. */
export const placeBehind = (user: string) => `${mark}${user}`

/** The user of such a place. */
export const userOfPlace = (place: string): string | undefined =>
  place.startsWith(mark) ? place.slice(mark.length) : undefined

/** The value of a group, by that of a user or by its own. */
export const valueOfGroup = (text: string, matching: GroupDefinition['matching']): string =>
  isUnshown(text) ? text : groupValue(text, matching)

export function correctionOf({
  kind,
  other,
  text,
}: Pick<CorrectionRow, 'kind' | 'other' | 'text'>): Correction {
  if (kind === 'with') return { with: other ?? '' }
  return kind === 'value' ? { value: text ?? '' } : { alone: true }
}

/** Up to `size` corrections after the user `after`, in the order of users' ids. Throws `not-found`. */
export async function listCorrections(
  db: Db,
  workspace: number,
  definition: string,
  { after, size }: { after: string; size: number },
): Promise<CorrectionRow[]> {
  const { key } = await getDefinition(db, workspace, definition)
  return db
    .select()
    .from(groupCorrections)
    .where(and(eq(groupCorrections.definition, key), gt(groupCorrections.user, after)))
    .orderBy(asc(groupCorrections.user))
    .limit(size)
}

export async function findCorrection(
  db: Db,
  { key }: GroupDefinition,
  user: string,
): Promise<CorrectionRow | undefined> {
  const [found] = await db
    .select()
    .from(groupCorrections)
    .where(and(eq(groupCorrections.definition, key), eq(groupCorrections.user, user)))
  return found
}
