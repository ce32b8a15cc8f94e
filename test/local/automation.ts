import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { bold } from './colour.ts'
import type { Stage } from './stage.ts'
import { uploaded } from './uploads.ts'

interface Event {
  type: string
  data: { group_id: string; type: string; added: number }
}

/** Chapter: another system gets an upload's event, and verifies that it is ours. */
export async function automation(stage: Stage): Promise<void> {
  const { platform, group, expect } = stage
  const type = 'group.participants.changed'
  console.log(bold(`Another system listens for ${type}, on a port of this machine`))
  const arriving = Promise.withResolvers<{ headers: Record<string, string>; body: string }>()
  const receiver = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request.setEncoding('utf8')) body += String(piece)
    response.writeHead(204).end()
    arriving.resolve({
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      ),
      body,
    })
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  const { port } = receiver.address() as AddressInfo // a TCP server has a port
  const secret = await platform.openWebhook(`http://127.0.0.1:${port}/events`, type)

  await uploaded(stage, 'ADD of one', 'ADD', ['mary-poe'], { rows: 1, added: 1, members: 90_003 })
  const { headers, body } = await arriving.promise
  const event = new Webhook(secret).verify(body, headers) as Event // of the subscribed type
  console.log(
    `   ${headers['webhook-id']}: ${event.type}, ${event.data.type}, ${event.data.added} added; its signature is right`,
  )
  expect.compare<object>('the event', event, { type })
  expect.compare<object>('the data of the event', event.data, {
    group_id: group,
    type: 'ADD',
    added: 1,
    removed: 0,
    failed: 0,
  })
  receiver.close()
  receiver.closeAllConnections()
}
