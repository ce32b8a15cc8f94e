import { findNeeded } from '../jobs/sweep-files.ts'
import type { Resources } from '../resources.ts'
import { commitErasure, goOnAfter, type Erasing } from './erasures.ts'

/** Milliseconds within which a stored file gets its job. */
const opensWithin = 5 * 60_000

/**
 * Deletes older files that no job needs: a lost answer may have left one. False also where one may
 * still get its job: a cron comes back to it.
 */
export async function eraseFiles(res: Resources, erasing: Erasing): Promise<boolean> {
  const { workspace, place, removed } = erasing
  const at = place.after?.at
  const listed = await res.files.list({
    prefix: `uploads/${workspace}/`,
    ...(typeof at === 'string' && { startAfter: at }),
  })
  const earlier = listed.objects.filter(({ uploaded }) => uploaded.getTime() <= place.forgottenAt)
  const keys = earlier.map(({ key }) => key)
  const needed = await findNeeded(res.databaseOf(workspace), keys)
  const unneeded = earlier.filter(({ key }) => !needed.has(key))
  const settled = res.now() - opensWithin
  if (unneeded.some(({ uploaded }) => uploaded.getTime() > settled)) return false
  if (unneeded.length > 0) await res.files.delete(unneeded.map(({ key }) => key))
  const last = listed.truncated ? listed.objects.at(-1) : undefined
  const to = goOnAfter(erasing, last && { at: last.key, key: 0 }, 'receipt')
  const files = (removed['files'] ?? 0) + unneeded.length
  return (await commitErasure(res, erasing, [], { ...to, removed: { ...removed, files } })).moved
}
