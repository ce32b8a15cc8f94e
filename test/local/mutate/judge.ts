import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apply, diff, type Fault } from './faults.ts'
import type { Lane, Verdict } from './lane.ts'
import { near, roundsFor } from './rounds.ts'

/** What became of a fault. */
export interface Judged {
  fault: Fault
  diff: string
  noticed: { file: string; how: 'test' | 'time'; message: string } | undefined
  seconds: number
}

/** What is known of the tests themselves, by all lanes. */
export interface Known {
  /** Test files, their texts by their paths. */
  tests: ReadonlyMap<string, string>
  /** Files that pass without a fault. */
  passing: Set<string>
  /** Files that fail without one, or now and then: they notice nothing. */
  unreliable: Map<string, string>
  /** How many rounds are run at most. */
  rounds: number
}

/**
 * Puts the first of these faults that compiles into the lane's copy, and runs tests until one
 * notices. Undefined where none compiles.
 */
export async function judge(
  lane: Lane,
  candidates: Fault[],
  known: Known,
): Promise<Judged | undefined> {
  for (const fault of candidates) {
    const path = join(lane.folder, fault.file)
    const text = readFileSync(path, 'utf8')
    const put = (to: string) => writeFileSync(path, to)
    put(apply(fault, text))
    try {
      if (!(await lane.compiles())) continue
      const begun = Date.now()
      const noticed = await firstNotice(lane, fault, known, {
        without: () => put(text),
        again: () => put(apply(fault, text)),
      })
      const seconds = Math.round((Date.now() - begun) / 1000)
      return { fault, diff: diff(fault, text), noticed, seconds }
    } finally {
      put(text)
    }
  }
  return undefined
}

interface Switch {
  without: () => void
  again: () => void
}

async function firstNotice(
  lane: Lane,
  fault: Fault,
  known: Known,
  change: Switch,
): Promise<Judged['noticed']> {
  for (const [i, round] of roundsFor(fault.file, known.tests).slice(0, known.rounds).entries()) {
    let left = round
    for (;;) {
      left = left.filter((file) => !known.unreliable.has(file))
      const { failed } = await lane.run(left)
      if (failed === undefined) break
      if (await isNotice(lane, failed, { known, isNear: i < near, change })) return failed
      // A file that now and then fails has said nothing of this fault: the others go on.
      left = left.filter((file) => file !== failed.file)
    }
  }
  return undefined
}

/**
 * Whether a failure is the fault's: its file passes without the fault, and where it may be chance,
 * fails with the fault again.
 */
async function isNotice(
  lane: Lane,
  failed: NonNullable<Verdict['failed']>,
  { known, isNear, change }: { known: Known; isNear: boolean; change: Switch },
): Promise<boolean> {
  const { file, how, message } = failed
  const files = file.split(' ')
  if (!isNear || how === 'time' || files.length > 1) {
    if ((await lane.run(files)).failed === undefined) {
      known.unreliable.set(`${file} (once)`, message)
      return false
    }
  }
  if (files.every((name) => known.passing.has(name))) return true
  change.without()
  const { failed: anyway } = await lane.run(files)
  change.again()
  for (const name of files)
    if (anyway === undefined) known.passing.add(name)
    else known.unreliable.set(name, anyway.message)
  return anyway === undefined
}
