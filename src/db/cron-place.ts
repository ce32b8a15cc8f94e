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
 * Goes through rows piece by piece, from where the invocation before stopped: `most` pieces, or
 * while `most` gives true. `piece` gives the row that the next begins after; undefined at the end.
 */
export async function goOn(
  db: Db,
  part: string,
  most: number | (() => boolean),
  piece: (from: Place) => Promise<Place | undefined>,
): Promise<void> {
  const begun = await findPlace(db, part)
  let place: Place | undefined = begun ?? { at: 0, key: 0 }
  const mayGoOn = (pieces: number) => (typeof most === 'number' ? pieces < most : most())
  for (let pieces = 0; place !== undefined && mayGoOn(pieces); pieces++) place = await piece(place)
  if (place !== undefined) await savePlace(db, part, place)
  else if (begun !== undefined) await db.delete(cronPlaces).where(eq(cronPlaces.part, part))
}
