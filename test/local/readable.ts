import { dim, green, red, yellow } from './colour.ts'

/** Wrangler's log line of a request: `[wrangler:info] GET /x 200 OK (4ms)`. */
const request = /^\[wrangler:info\] ([A-Z]+) (\S+) (\d{3})\b.*\((\d+)ms\)$/

/** A line of the Worker's own log, marked by wrangler if an error; otherwise undefined. */
export const ownLine = (line: string): string | undefined =>
  /^(?:\S \[[A-Z]+\] )?(\{"event":.*\})$/.exec(line)?.[1]

/** A line of the server's output for a person; undefined where it says nothing new. */
export function readable(line: string): string | undefined {
  const [, method = '', path = '', status = '', ms = ''] = request.exec(line) ?? []
  if (method !== '') return path === '/health' ? undefined : ofRequest(method, path, status, ms)
  const own = ownLine(line)
  if (own === undefined) return line === '' || line.startsWith('[wrangler:info]') ? undefined : line
  const { event, ...facts } = JSON.parse(own) as Record<string, unknown> // the Worker logs objects
  return event === 'request' ? undefined : ofEvent(String(event), facts)
}

const ofRequest = (method: string, path: string, status: string, ms: string) =>
  `${method} ${path} ${colourOf(status)(status)} ${dim(`${ms} ms`)}`

const colourOf = (status: string) =>
  status.startsWith('5') ? red : status.startsWith('4') ? yellow : green

/** Steps are the product at work; what else it says on its own is trouble. */
function ofEvent(event: string, facts: Record<string, unknown>): string {
  const calm = event.endsWith('-step') || event === 'deliveries'
  const said = Object.entries(facts).map(([name, value]) => `${name} ${textOf(value)}`)
  return `${calm ? dim(event) : red(event)} ${dim(said.join(', '))}`
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
