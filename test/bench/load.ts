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

/** Requests over so many connections for as long as some work takes. */
export async function loadWhile<Result>(
  target: Target,
  connections: number,
  work: () => Promise<Result>,
): Promise<{ load: Load; result: Result }> {
  const { stop, load } = startLoad(target, connections, 3600)
  try {
    const result = await work()
    stop()
    return { load: await load, result }
  } finally {
    stop()
  }
}

const load = (target: Target, seconds: number): Promise<Load> =>
  startLoad(target, connections, seconds).load

/** `load` throws where an answer is no success. */
function startLoad({ url, requests }: Target, connections: number, duration: number) {
  const times: number[] = []
  let stop = () => {}
  const ended = new Promise<autocannon.Result>((resolve, reject) => {
    const setupClient = (client: autocannon.Client) =>
      void client.on('response', (_status, _bytes, milliseconds) => times.push(milliseconds))
    const options = { url, connections, duration, requests, setupClient }
    const running = autocannon(options, (error: Error | null, result) =>
      error === null ? resolve(result) : reject(error),
    )
    stop = () => running.stop()
  })
  const load = ended.then(({ duration, errors, non2xx }): Load => {
    if (errors + non2xx > 0)
      throw new Error(
        `Of ${times.length} requests to ${url}, ${errors} failed and ${non2xx} were refused`,
      )
    return {
      requestsPerSecond: times.length / duration,
      median: median(times),
      high: percentile(times, 99),
    }
  })
  return { stop, load }
}
