import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What arrived at an address of the receiver. */
export interface Arrived {
  method: string
  headers: Record<string, string>
  body: string
}

/**
 * An answer: status, headers, a body repeated, a delay; `hang` never answers, `open` never ends.
 */
export interface Answering {
  status?: number
  headers?: Record<string, string>
  body?: string
  times?: number
  after?: number
  hang?: boolean
  open?: boolean
}

/**
 * A real HTTP server in the runner's process: `/in/NAME` receives, `/received/NAME` lists requests,
 * `/answers/NAME` sets answers.
 */
export async function startReceiver(): Promise<string> {
  const arrived = new Map<string, Arrived[]>()
  const answers = new Map<string, Answering[]>()
  const server = createServer(async (request, response) => {
    const [, what = '', name = ''] = (request.url ?? '').split('?')[0]?.split('/') ?? []
    const body = await bodyOf(request)
    if (what === 'received') return void response.end(JSON.stringify(arrived.get(name) ?? []))
    if (what === 'answers') {
      answers.set(name, JSON.parse(body) as Answering[]) // sent by receiver.ts
      return void response.end()
    }
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([key, value]) => [key, String(value)]),
    )
    arrived.set(name, [
      ...(arrived.get(name) ?? []),
      { method: request.method ?? '', headers, body },
    ])
    const queue = answers.get(name) ?? []
    const {
      status = 204,
      headers: more = {},
      body: text = '',
      times = 1,
      after = 0,
      hang = false,
      open = false,
    } = (queue.length > 1 ? queue.shift() : queue[0]) ?? {}
    if (hang) return
    setTimeout(() => {
      response.writeHead(status, more)
      if (open) response.write(text.repeat(times))
      else response.end(status === 204 ? undefined : text.repeat(times))
    }, after)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // a TCP server has a port
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const piece of request.setEncoding('utf8')) body += String(piece)
  return body
}
