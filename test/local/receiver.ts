import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'

/** Shows events signed with a webhook's secret: `npx node test/local/receiver.ts SECRET`. */
const webhook = new Webhook(process.argv[2] ?? '')
createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray())
  try {
    console.log(webhook.verify(body, request.headers as Record<string, string>)) // its three headers come once
    response.writeHead(204).end()
  } catch {
    response.writeHead(401).end()
  }
}).listen(3000)
