import { forMessages, type ReportsMessage, type SentReport } from '../messages.ts'
import { valueOf, type Change, type StoredValue } from './attributes.ts'
import type { Report } from './write-reports.ts'

type Sent = SentReport['changes'][number][1]

/**
 * Reports as messages, as few as they fit in; undefined where a report is too large for a message,
 * or all of them for one `sendBatch`.
 */
export function messagesOf(
  workspace: number,
  taken: number,
  reports: Report[],
): ReportsMessage[] | undefined {
  return forMessages(reports.map(toSent))?.map((some) => ({
    ...{ kind: 'reports', workspace, taken },
    reports: some,
  }))
}

/** The reports of a message as they were taken. */
export const reportsOf = ({ taken, reports }: ReportsMessage): Report[] =>
  reports.map(({ user, at, changes }) => ({
    user,
    at,
    taken,
    changes: changes.map(([name, to]): Change => ({ name, to: to === null ? null : fromSent(to) })),
  }))

const toSent = ({ user, at, changes }: Report): SentReport => ({
  user,
  at,
  changes: changes.map(({ name, to }) => [name, to === null ? null : sentOf(to)]),
})

function sentOf(stored: StoredValue): Sent {
  const value = valueOf(stored)
  return typeof value === 'bigint' ? { digits: stored.text } : value
}

function fromSent(to: Exclude<Sent, null>): StoredValue {
  if (Array.isArray(to)) return { text: JSON.stringify(to), type: 'list' }
  if (typeof to === 'object') return { text: digitsOf(to), type: 'number' }
  const type = typeof to
  if (type !== 'string' && type !== 'number' && type !== 'boolean')
    throw new Error(`a value is of type ${type}`)
  return { text: String(to), type }
}

function digitsOf({ digits }: { digits: string }): string {
  if (!/^-?\d+$/.test(digits)) throw new Error('a number is not whole')
  return digits
}

/**
 * The same without changes that others overtake: the newest of an attribute holds, of one moment the
 * last. Sorted by user, so that they are written quickly, then by time.
 */
export function withoutOvertaken(reports: Report[]): Report[] {
  const sorted = reports.toSorted(inOrder)
  const last = new Map<string, Change>()
  for (const { user, changes } of sorted)
    for (const change of changes) last.set(`${user}\0${change.name}`, change) // neither has U+0000
  return sorted.map((report) => ({
    ...report,
    changes: report.changes.filter(
      (change) => last.get(`${report.user}\0${change.name}`) === change,
    ),
  }))
}

function inOrder(a: Report, b: Report): number {
  if (a.user !== b.user) return a.user < b.user ? -1 : 1
  return a.at - b.at || (a.taken ?? 0) - (b.taken ?? 0)
}
