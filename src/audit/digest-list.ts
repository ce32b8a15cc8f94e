import { and, asc, eq, gt } from 'drizzle-orm'
import type { Db } from '../db/connect.ts'
import { eventDigests } from '../db/schema.ts'
import type { Digest } from './digest.ts'

/** The digests of the days after `after`, oldest first. */
export async function listDigests(
  db: Db,
  workspace: number,
  { after, size }: { after: string; size: number },
): Promise<Digest[]> {
  const { day, first, last, count, sha256, previous, signature } = eventDigests
  return db
    .select({ day, first, last, count, sha256, previous, signature })
    .from(eventDigests)
    .where(and(eq(eventDigests.workspace, workspace), gt(day, after)))
    .orderBy(asc(day))
    .limit(size)
}
