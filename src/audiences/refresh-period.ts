import { mondayOf, weekOf } from '../identity/week.ts'
import { day } from '../time.ts'

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

/** When an audience that fills a group syncs next by itself; null: only on demand. */
export function nextRefresh(refresh: Refresh, ms: number): number | null {
  if (refresh === 'on_demand') return null
  if (refresh === 'weekly') return weekBegan(ms) + 7 * day
  return Math.floor((ms - dayBegins * hour) / day) * day + day + dayBegins * hour
}
