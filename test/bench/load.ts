import autocannon, { type Request } from 'autocannon'
import { median, percentile } from './row.ts'

const connections = 20

/** Requests to a server, again and again. */
export interface Target {
  url: string
  requests: Request[]
}

export interface Load {
  requestsPerSecond: number
  /** Milliseconds. */
  median: number
  /** Of a hundred requests 99 took no longer, in milliseconds. */
  high: number
}

/**
 * Twenty connections, each target in turn for some seconds, so that slow spells are shared; returns
 * medians.
 */
export async function loadInTurn(
  targets: Target[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Load[]> {
  for (const target of targets) await load(target, 1)
  const loads = targets.map((): Load[] => [])
  for (let round = 0; round < rounds; round++)
    for (const [i, target] of targets.entries()) loads[i]?.push(await load(target, seconds))
  return loads.map((rounds) => ({
    requestsPerSecond: median(rounds.map((load) => load.requestsPerSecond)),
    median: median(rounds.map((load) => load.median)),
    high: median(rounds.map((load) => load.high)),
  }))
}

/** Throws where an answer is no success. */
async function load({ url, requests }: Target, seconds: number): Promise<Load> {
  const times: number[] = []
  const { duration, errors, non2xx } = await autocannon({
    url,
    connections,
    duration: seconds,
    requests,
    setupClient: (client) =>
      void client.on('response', (_status, _bytes, milliseconds) => times.push(milliseconds)),
  })
  if (errors + non2xx > 0)
    throw new Error(
      `Of ${times.length} requests to ${url}, ${errors} failed and ${non2xx} were refused`,
    )
  return {
    requestsPerSecond: times.length / duration,
    median: median(times),
    high: percentile(times, 99),
  }
}
