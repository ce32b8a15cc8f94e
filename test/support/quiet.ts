import { afterEach } from 'vitest'

/** The last lines that were logged since a test ended. */
const lines: unknown[][] = []
const { info } = console
console.info = (...line) => {
  if (lines.push(line) > 1000) lines.shift()
}

/** Shows what was logged where a test fails; of others nobody reads it, and sending it takes its time. */
export function showLogOfFailed(): void {
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') for (const line of lines) info(...line)
    lines.length = 0
  })
}
