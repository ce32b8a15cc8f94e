import { setTimeout as sleep } from 'node:timers/promises'

/** What the Worker says of a step of a run. */
export interface Step {
  /** Milliseconds that the database took for the batch. */
  ms: number
  /** Milliseconds since the line before, the step's first reads included. */
  whole: number
  rowsRead: number
  rowsWritten: number
}

interface Line {
  event: string
  runId?: string
  jobId?: string
  move?: number
  experimentId?: string
  last?: boolean
  status?: string | number
  method?: string
  route?: string
  ms: number
  rowsRead: number
  rowsWritten: number
  /** When it came. */
  at: number
}

const patience = 10_000
const ended = /^(successful|partial|failed|cancelled)$/

/** What the Worker has logged of steps and of requests. */
export class WorkerLog {
  readonly #lines: Line[] = []

  /** For a server's output. */
  readonly add = (text: string): void => {
    if (!text.startsWith('{"event":')) return
    const line = JSON.parse(text) as Line // the lines of src/jobs/checkpoint.ts, src/experiments/count-balance.ts and src/api/app.ts
    this.#lines.push({ ...line, at: performance.now() })
  }

  /** The steps of a run that began at `start`, which has ended. */
  async stepsOf(runId: string, start: number): Promise<Step[]> {
    const steps = (line: Line) => line.event === 'recompute-step' && line.runId === runId
    const lines = await this.#once(steps, (found) => found.at(-1)?.status === 'successful')
    return lines.map(({ ms, at, rowsRead, rowsWritten }, i) => ({
      ms,
      whole: at - (lines[i - 1]?.at ?? start),
      rowsRead,
      rowsWritten,
    }))
  }

  /** The most milliseconds that the database took for a batch of a job which has ended. */
  async longestStep(jobId: string): Promise<number> {
    const steps = (line: Line) => line.event === 'job-step' && line.jobId === jobId
    const lines = await this.#once(steps, (found) => ended.test(`${found.at(-1)?.status}`))
    return Math.max(...lines.map(({ ms }) => ms))
  }

  /** What the invocations of a move have taken that has ended. */
  async costOfMove(move: number): Promise<{ rowsRead: number; rowsWritten: number }> {
    const own = (line: Line) => line.event === 'move' && line.move === move
    const lines = await this.#once(own, (found) => found.length > 0)
    const sum = (figure: 'rowsRead' | 'rowsWritten') =>
      lines.reduce((total, line) => total + line[figure], 0)
    return { rowsRead: sum('rowsRead'), rowsWritten: sum('rowsWritten') }
  }

  /** The same of a balance that is complete. */
  async longestOfBalance(experimentId: string): Promise<number> {
    const steps = (line: Line) =>
      line.event === 'balance-step' && line.experimentId === experimentId
    const lines = await this.#once(steps, (found) => found.at(-1)?.last === true)
    return Math.max(...lines.map(({ ms }) => ms))
  }

  /** Begins anew. */
  forget(): void {
    this.#lines.length = 0
  }

  /** Rows read for each GET of a route below a workspace, of so many. */
  async rowsRead(route: string, count: number): Promise<number[]> {
    const reads = (line: Line) =>
      line.event === 'request' &&
      line.method === 'GET' &&
      line.route === `/platform/workspaces/:workspace_id${route}`
    return (await this.#once(reads, (found) => found.length === count)).map(
      ({ rowsRead }) => rowsRead,
    )
  }

  /** Lines come a little later than answers. */
  async #once(
    which: (line: Line) => boolean,
    complete: (found: Line[]) => boolean,
  ): Promise<Line[]> {
    for (const until = Date.now() + patience; ; await sleep(20)) {
      const found = this.#lines.filter(which)
      if (complete(found)) return found
      if (Date.now() > until)
        throw new Error(`The Worker has not logged what it should: ${found.length} lines of it`)
    }
  }
}
