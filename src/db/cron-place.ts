import { eq } from 'drizzle-orm'
import type { Db } from './connect.ts'
import { cronPlaces } from './schema.ts'

/** A row in the order of `at`, then `key`; rows in the order of their keys alone have no `at`. */
export type Place = typeof cronPlaces.$inferSelect.after

export async function findPlace(db: Db, part: string): Promise<Place | undefined> {
  const [found] = await db
    .select({ after: cronPlaces.after })
    .from(cronPlaces)
    .where(eq(cronPlaces.part, part))
  return found?.after
}

export async function savePlace(db: Db, part: string, place: Place) {
  const after = { at: place.at, key: place.key }
  await db
    .insert(cronPlaces)
    .values({ part, after })
    .onConflictDoUpdate({ target: cronPlaces.part, set: { after } })
}

/**
 * Goes through rows piece by piece, from where the invocation before stopped and at most `most`
 * pieces. `piece` gives the row that the next begins after; undefined at the end of the rows.
 */
export async function goOn(
  db: Db,
  part: string,
  most: number,
  piece: (from: Place) => Promise<Place | undefined>,
): Promise<void> {
  const begun = await findPlace(db, part)
  let place: Place | undefined = begun ?? { at: 0, key: 0 }
  for (let pieces = 0; pieces < most && place !== undefined; pieces++) place = await piece(place)
  if (place !== undefined) await savePlace(db, part, place)
  else if (begun !== undefined) await db.delete(cronPlaces).where(eq(cronPlaces.part, part))
}
