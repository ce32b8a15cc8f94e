/** Milliseconds of a batch: D1 runs one at a time, so that look-ups wait for it. */
export const batchTime = 50

/** A batch is not made smaller than this. */
export const itemsMin = 100
const itemsMax = 50_000

/** A step that took longer may have timed out, which leaves no trace but the time. */
const quick = 2000

/** Items of an invocation's first batch: those of the last one, which was `ms` ago, or fewer. */
export function firstItems(items: number, ms: number): number {
  return Math.max(Math.floor(items * Math.min(1, quick / ms)), Math.min(items, itemsMin), 1)
}

/** Items of the next batch, after one of `items` that took `ms`. */
export function nextItems(items: number, ms: number): number {
  const next = Math.floor(items * Math.min(Math.max(batchTime / ms, 1 / 4), 2))
  return next > items ? Math.min(next, itemsMax) : Math.max(next, Math.min(items, itemsMin))
}

/** The first items whose sizes together are at most `most`; at least one. */
export function firstUpTo<Item>(
  items: Item[],
  sizeOf: (item: Item) => number,
  most: number,
): Item[] {
  let size = 0
  const end = items.findIndex((item, i) => (size += sizeOf(item)) > most && i > 0)
  return end === -1 ? items : items.slice(0, end)
}
