import type { Interruptible } from './interruptible.ts'

/** Items that are sorted, or merged, before others get the thread. */
const atOnce = 8192

/** The items in the order of `compare`; equal ones stay in theirs. */
export function* mergeSorted<Item>(
  items: Item[],
  compare: (a: Item, b: Item) => number,
): Interruptible<Item[]> {
  if (items.length <= atOnce) return items.toSorted(compare)
  const middle = Math.ceil(items.length / 2)
  const some = yield* mergeSorted(items.slice(0, middle), compare)
  yield
  const others = yield* mergeSorted(items.slice(middle), compare)
  const sorted: Item[] = []
  for (let i = 0, j = 0; ;) {
    const [one, other] = [some[i], others[j]]
    if (one === undefined) return sorted.concat(others.slice(j))
    if (other === undefined) return sorted.concat(some.slice(i))
    if (compare(one, other) <= 0) i = sorted.push(one) - j
    else j = sorted.push(other) - i
    if (sorted.length % atOnce === 0) yield
  }
}
