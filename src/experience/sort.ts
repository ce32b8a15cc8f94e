/** So few are sorted as they are. */
const unsortedMax = 32

/** Bits of a key that tell an id's place among the others. More ids than they can count are sorted as they are. */
const placeBits = 18

/** Six rounds of six characters are more than an id of ASCII has. A hostile file could be told apart unit by unit beyond that. */
const roundsMax = 6

/**
 * The ids in the order of `sort`, each once: a job's checkpoint counts into it. V8 compares strings more slowly than numbers, and those
 * cut from a long text, which are views of it, more slowly still. So what is sorted is a number for each id: six of its characters, from
 * where the ids begin to differ, and below them its place. Ids that have these six in common are then sorted among themselves.
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
    // Keys that tell none of them apart: they are one id, or differ beyond ASCII or in a NUL.
    else if (end - start === sorted.length) appendSorted(run, sorted)
    else appendRun(run, sorted.slice(start, end), rounds - 1)
  }
}

function appendSorted(run: string[], ids: string[]): void {
  for (const id of ids.toSorted()) if (id !== run.at(-1)) run.push(id)
}

/** How many characters they all begin with. */
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

/** Six characters of an id as a number, 7 bits each: zeros where it has ended; from the first that is beyond ASCII, ones. */
function sixCharactersOf(id: string, from: number): number {
  let six = 0
  for (let at = from, beyond = false; at < from + 6; at++) {
    const unit = at < id.length ? id.charCodeAt(at) : 0
    beyond ||= unit > 127
    six = six * 128 + (beyond ? 127 : unit)
  }
  return six
}
