import type { Interruptible } from '../jobs/interruptible.ts'
import { mergeSorted } from '../jobs/merge-sort.ts'

/** Up to so many ids are sorted as strings. */
const unsortedMax = 32

/** Bits of a key for an id's index. */
const placeBits = 15

/** More ids are dealt out first: no key has their index, and no sort holds the thread for long. */
const sortedAtOnceMax = 2 ** placeBits

/** Enough for ids of ASCII; ids made to need more rounds are sorted as strings. */
const roundsMax = 8

/**
 * The ids in the order of `sort`, each once: a checkpoint counts into it. V8 sorts numbers faster:
 * six characters from where the ids differ, then the index.
 */
export function* sortedRun(ids: string[]): Interruptible<string[]> {
  const run: string[] = []
  yield* appendRun(run, ids, roundsMax)
  return run
}

function* appendRun(run: string[], ids: string[], rounds: number): Interruptible<void> {
  if (rounds === 0 || ids.length <= unsortedMax) return yield* appendSorted(run, ids)
  const from = yield* sharedPrefixLength(ids)
  if (ids.length > sortedAtOnceMax) {
    for (const part of yield* dealtOut(ids, from)) {
      yield
      if (part.length === ids.length) yield* appendSorted(run, part)
      else yield* appendRun(run, part, rounds - 1)
    }
    return
  }
  const keys = new BigUint64Array(ids.length)
  const view = new DataView(keys.buffer)
  ids.forEach((id, place) => {
    const six = sixCharactersOf(id, from)
    view.setUint32(8 * place + 4, six / 2 ** (32 - placeBits), true)
    view.setUint32(8 * place, (six << placeBits) | place, true)
  })
  keys.sort()

  const sorted = ids.map((_, i) => ids[view.getUint32(8 * i, true) & (sortedAtOnceMax - 1)] ?? '')
  const sixAt = (i: number) =>
    view.getUint32(8 * i + 4, true) * 2 ** (32 - placeBits) +
    (view.getUint32(8 * i, true) >>> placeBits)
  for (let start = 0, end = 1; start < sorted.length; start = end++) {
    while (end < sorted.length && sixAt(end) === sixAt(start)) end++
    if (end === start + 1) run.push(sorted[start] ?? '')
    // All keys are equal: one id, or ids that differ beyond ASCII or in a NUL.
    else if (end - start === sorted.length) yield* appendSorted(run, sorted)
    else yield* appendRun(run, sorted.slice(start, end), rounds - 1)
  }
}

const samples = 1024

/** Deals ids out in parts of about half the most, of which each comes before the next. */
function* dealtOut(ids: string[], from: number): Interruptible<string[][]> {
  const every = Math.ceil(ids.length / samples)
  const sample = Float64Array.from({ length: Math.floor(ids.length / every) }, (_, i) =>
    sixCharactersOf(ids[i * every] ?? '', from),
  ).sort()
  const count = 2 ** Math.ceil(Math.log2((2 * ids.length) / sortedAtOnceMax))
  const bounds = Array.from(
    { length: count - 1 },
    (_, i) => sample[Math.floor(((i + 1) * sample.length) / count)] ?? 0,
  )
  const parts = Array.from({ length: count }, (): string[] => [])
  for (const [i, id] of ids.entries()) {
    parts[partOf(bounds, sixCharactersOf(id, from))]?.push(id)
    if (i % sortedAtOnceMax === sortedAtOnceMax - 1) yield
  }
  return parts.filter((part) => part.length > 0)
}

/** How many of the bounds a number has reached; there is one less than a power of two. */
function partOf(bounds: number[], six: number): number {
  let part = 0
  for (let step = (bounds.length + 1) / 2; step >= 1; step /= 2)
    if (six >= (bounds[part + step - 1] ?? Infinity)) part += step
  return part
}

function* appendSorted(run: string[], ids: string[]): Interruptible<void> {
  const sorted = yield* mergeSorted(ids, (a, b) => (a < b ? -1 : a > b ? 1 : 0))
  for (const id of sorted) if (id !== run.at(-1)) run.push(id)
}

/** The length of the ids' common beginning. */
function* sharedPrefixLength(ids: string[]): Interruptible<number> {
  let [prefix = ''] = ids
  for (const [i, id] of ids.entries()) {
    while (!id.startsWith(prefix)) prefix = prefix.slice(0, -1)
    if (i % sortedAtOnceMax === sortedAtOnceMax - 1) yield
  }
  return prefix.length
}

/** Six characters as 7 bits each: 0 behind the end, 127 from the first beyond ASCII. */
function sixCharactersOf(id: string, from: number): number {
  let six = 0
  for (let at = from, beyond = false; at < from + 6; at++) {
    const unit = at < id.length ? id.charCodeAt(at) : 0
    beyond ||= unit > 127
    six = six * 128 + (beyond ? 127 : unit)
  }
  return six
}
