import { send } from './http.ts'

const day = 86_400_000
const cronTime = 3 * 3_600_000

/** The time of the Monday cron this many weeks from now; 1 is the next. */
export function mondayIn(weeks: number): number {
  // 1970-01-01 was a Thursday.
  const days = (Date.now() - cronTime) / day + 3
  return ((Math.floor(days / 7) + weeks) * 7 - 3) * day + cronTime
}

/** Triggers one of the Worker's crons as if it were `at`, in milliseconds. */
export async function fireCron(
  url: string,
  cron: '0 3 * * MON' | '0 4 * * *' | '*/5 * * * *' | '* * * * *',
  at = Date.now(),
): Promise<void> {
  const query = new URLSearchParams({ cron, time: `${at}` })
  await send(`the cron ${cron}`, `${url}/cdn-cgi/handler/scheduled?${query}`, {})
}

/** Has the crons come that locally would not, for as long as this program runs. */
export function tick(url: string): void {
  const fire = (cron: '0 4 * * *' | '*/5 * * * *' | '* * * * *') =>
    void fireCron(url, cron).catch(() => undefined)
  // Digests of the days that are over, at once, as few let the program run until 04:00.
  fire('0 4 * * *')
  setInterval(fire, 86_400_000, '0 4 * * *').unref()
  // Work whose message was lost, and a Monday that has come.
  setInterval(fire, 300_000, '*/5 * * * *').unref()
  // Events whose next attempt has come.
  setInterval(fire, 60_000, '* * * * *').unref()
}
