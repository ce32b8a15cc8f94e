import { mondayOf, weekOf } from '../identity/week.ts'

export type Refresh = 'on_demand' | 'weekly' | 'daily'

const hour = 3_600_000

/** Hours UTC at which weeks and days begin: as the crons in `wrangler.toml`. */
const weekBegins = 3
const dayBegins = 4

/** When the week of `ms` began, both in milliseconds: its households are formed from then on. */
export const weekBegan = (ms: number) => mondayOf(ms - weekBegins * hour) + weekBegins * hour

/** The week or day, at `ms`, for which an audience syncs once by itself; null: only on demand. */
export function periodOf(refresh: Refresh, ms: number): string | null {
  if (refresh === 'on_demand') return null
  return refresh === 'weekly'
    ? weekOf(ms - weekBegins * hour)
    : new Date(ms - dayBegins * hour).toISOString().slice(0, 10)
}
