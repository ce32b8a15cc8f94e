import { afterEach, beforeEach, vi } from 'vitest'
import type { Json } from './api.ts'

/** The lines that the Worker logs in each test of a file, in place of the console. */
export function logged() {
  let lines: string[] = []
  beforeEach(() => {
    lines = []
    for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
      vi.spyOn(console, method).mockImplementation(
        (...values: unknown[]) => void lines.push(values.map(String).join(' ')),
      )
  })
  afterEach(() => vi.restoreAllMocks())
  return {
    lines: () => lines,
    clear: () => void (lines = []),
    /** The lines of an event, each a JSON object. */
    events: (event: string) =>
      lines.map((line) => JSON.parse(line) as Json).filter((line) => line['event'] === event),
  }
}
