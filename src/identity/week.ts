import { day } from '../time.ts'

/** The week of a moment in UTC by ISO 8601, `2026-W48`: it is of the year of its Thursday. */
export function weekOf(ms: number): string {
  const thursday = new Date(mondayOf(ms) + 3 * day)
  const year = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * day))
  return `${year}-W${String(week).padStart(2, '0')}`
}

/** The Monday, 00:00 UTC, of a moment's week, in milliseconds. */
export function mondayOf(ms: number): number {
  // 1970-01-01 was a Thursday.
  return Math.floor((ms / day + 3) / 7) * 7 * day - 3 * day
}
