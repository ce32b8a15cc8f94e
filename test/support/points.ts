import { expect } from 'vitest'
import { points, type Point } from '../../src/metrics.ts'
import type { Env } from '../../src/resources.ts'

/** A data set that keeps its points, as strict as production (Workers Analytics Engine, "Limits"). */
export function recorder() {
  const kept: AnalyticsEngineDataPoint[] = []
  const METRICS = {
    writeDataPoint(point: AnalyticsEngineDataPoint) {
      const { blobs = [], doubles = [], indexes = [] } = point
      expect([blobs.length <= 20, doubles.length <= 20, indexes.length]).toEqual([true, true, 1])
      expect(Buffer.byteLength(String(indexes[0]))).toBeLessThan(96)
      expect(Buffer.byteLength(blobs.join(''))).toBeLessThan(5120)
      expect(blobs.filter((blob) => typeof blob !== 'string')).toEqual([])
      expect(doubles.filter((double) => !Number.isFinite(double))).toEqual([])
      kept.push(point)
    },
  }
  return {
    vars: { METRICS } satisfies Partial<Env>,
    kept,
    /** The points of a kind, by the names of their columns. */
    of: (kind: Point['kind']) => kept.filter(({ blobs = [] }) => blobs[0] === kind).map(named),
  }
}

/** A point by the names of its columns. */
function named({ blobs = [], doubles = [] }: AnalyticsEngineDataPoint) {
  const kind = String(blobs[0]) as Point['kind'] // `of` has chosen it
  const names: { blobs: readonly string[]; doubles: readonly string[] } = points[kind]
  return Object.fromEntries([
    ...names.blobs.map((name, i) => [name, blobs[i + 1]]),
    ...names.doubles.map((name, i) => [name, doubles[i]]),
  ]) as Record<string, unknown>
}
