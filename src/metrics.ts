import { faultOf } from './failure.ts'

/**
 * The points of the data set METRICS, by kind, and what each column has: blob1 is the kind, the
 * others follow in this order. None has an id of a person, a URL, or a name that somebody gave.
 */
export const points = {
  /** `fault` of a 5xx: the database's that passes, or another. */
  request: {
    blobs: ['route', 'method', 'fault'],
    doubles: ['status', 'ms', 'rowsRead', 'rowsWritten', 'statements'],
  },
  /** One batch of a job, a recompute, a balance, reports or exposures. */
  step: { blobs: ['work', 'state'], doubles: ['ms', 'rowsRead', 'rowsWritten'] },
  /** Deliveries to a webhook that were claimed at once. */
  deliveries: { blobs: [], doubles: ['attempts', 'delivered'] },
  /** One that failed or waits; a dead letter that came, or is lost. */
  message: { blobs: ['work', 'outcome'], doubles: ['attempts'] },
  /** Of each shard every five minutes. */
  state: {
    blobs: ['shard'],
    doubles: ['oldestJob', 'jobs', 'oldestRun', 'runs', 'bytes'],
  },
} as const satisfies Record<string, { blobs: readonly string[]; doubles: readonly string[] }>

type Points = typeof points

export type Point = {
  [Kind in keyof Points]: { kind: Kind } & Record<Points[Kind]['blobs'][number], string> &
    Record<Points[Kind]['doubles'][number], number>
}[keyof Points]

/** Points that one `Resources` writes at most (Workers Analytics Engine, "Limits"). */
const pointsMost = 250

/** What writes the points of an invocation; nothing without a data set. Throws nothing. */
export function measuring(dataset: AnalyticsEngineDataset | undefined): (point: Point) => void {
  let left = dataset === undefined ? 0 : pointsMost
  return (point) => {
    if (left-- <= 0) return
    try {
      dataset?.writeDataPoint(columnsOf(point))
    } catch (error) {
      left = 0
      console.error(JSON.stringify({ event: 'point-failed', ...faultOf(error) }))
    }
  }
}

function columnsOf(point: Point): AnalyticsEngineDataPoint {
  const { blobs, doubles } = points[point.kind]
  const values: Record<string, string | number> = point
  return {
    // Each kind is sampled by itself.
    indexes: [point.kind],
    blobs: [point.kind, ...blobs.map((name) => String(values[name]))],
    doubles: doubles.map((name) => Number(values[name])),
  }
}
