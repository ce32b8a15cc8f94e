/** Up to so many ids are sorted as strings. */
const unsortedMax = 32

/** Bits of a key for an id's index; more ids than they count are sorted as strings. */
const placeBits = 18

/** Enough for ids of ASCII; ids made to need more rounds are sorted as strings. */
const roundsMax = 6

/**
 * The ids in the order of `sort`, each once: a checkpoint counts into it. V8 sorts numbers faster:
 * six characters from where the ids differ, then the index.
 */
export function sortedRun(ids: string[]): string[] {
  const run: string[] = []
  appendRun(run, ids, roundsMax)
  return run
}

function appendRun(run: string[], ids: string[], rounds: number): void {
  if (rounds === 0 || ids.length <= unsortedMax || ids.length > 2 ** placeBits)
    return appendSorted(run, ids)
  const from = sharedPrefixLength(ids)
  const keys = new BigUint64Array(ids.length)
  const view = new DataView(keys.buffer)
  ids.forEach((id, place) => {
    const six = sixCharactersOf(id, from)
    view.setUint32(8 * place + 4, six / 2 ** 14, true)
    view.setUint32(8 * place, (six << placeBits) | place, true)
  })
  keys.sort()

  const sorted = ids.map((_, i) => ids[view.getUint32(8 * i, true) & (2 ** placeBits - 1)] ?? '')
  const sixAt = (i: number) =>
    view.getUint32(8 * i + 4, true) * 2 ** 14 + (view.getUint32(8 * i, true) >>> placeBits)
  for (let start = 0, end = 1; start < sorted.length; start = end++) {
    while (end < sorted.length && sixAt(end) === sixAt(start)) end++
    if (end === start + 1) run.push(sorted[start] ?? '')
    // All keys are equal: one id, or ids that differ beyond ASCII or in a NUL.
    else if (end - start === sorted.length) appendSorted(run, sorted)
    else appendRun(run, sorted.slice(start, end), rounds - 1)
  }
}

function appendSorted(run: string[], ids: string[]): void {
  for (const id of ids.toSorted()) if (id !== run.at(-1)) run.push(id)
}

/** The length of the ids' common beginning. */
function sharedPrefixLength(ids: string[]): number {
  const [first = ''] = ids
  let shared = first.length
  for (const id of ids) {
    let at = 0
    while (at < shared && id.charCodeAt(at) === first.charCodeAt(at)) at++
    shared = at
  }
  return shared
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
