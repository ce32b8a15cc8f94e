import { mondayOf, weekOf } from '../identity/week.ts'

export type Refresh = 'on_demand' | 'weekly' | 'daily'

const hour = 3_600_000

/** When a week begins and when a day does, in hours UTC: with the crons in `wrangler.toml`. */
const weekBegins = 3
const dayBegins = 4

/** When the week of a moment began, both in milliseconds: its groups are formed from then on. */
export const weekBegan = (ms: number) => mondayOf(ms - weekBegins * hour) + weekBegins * hour

/** The week or day of a moment, in milliseconds, for which an audience fills its group once; null for one that does it only when asked. */
export function periodOf(refresh: Refresh, ms: number): string | null {
  if (refresh === 'on_demand') return null
  return refresh === 'weekly'
    ? weekOf(ms - weekBegins * hour)
    : new Date(ms - dayBegins * hour).toISOString().slice(0, 10)
}
