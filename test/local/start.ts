import { join, resolve } from 'node:path'
import { ring } from './clock.ts'
import { main, root } from './program.ts'
import { startServer } from './server.ts'

/** `npm start`: the Worker on this machine, until Ctrl-C. PORT and STATE_DIR say where it listens and where it keeps its state. */
await main(async () => {
  const port = Number(process.env['PORT'] || 8787)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`PORT is no port: ${process.env['PORT']}`)
  const stateDir = resolve(root, process.env['STATE_DIR'] || join(root, '.state'))

  console.log('Starting …')
  let ready = false
  const { url, ended } = await startServer({
    stateDir,
    port,
    hear: (line) => {
      // The Worker's own line tells more of a request than wrangler's.
      if (ready && !/^\[wrangler:info\] [A-Z]+ \//.test(line)) console.log(line)
    },
  })
  ready = true
  console.log(welcome(url, stateDir))
  // For work whose message was lost when the server stopped, and for a Monday that has come.
  setInterval(() => void ring(url, '*/5 * * * *').catch(() => undefined), 300_000).unref()
  // For events whose next attempt has come.
  setInterval(() => void ring(url, '* * * * *').catch(() => undefined), 60_000).unref()

  const last = await ended
  throw new Error(`The server has ended:\n${last}`)
})

function welcome(url: string, stateDir: string): string {
  return `
Coterie listens on ${url} and keeps its state in ${stateDir}

Register a client; its secret is shown once. The ADMIN_TOKEN is in .dev.vars:

  curl ${url}/oauth/clients \\
    -H "Authorization: Bearer $(grep ^ADMIN_TOKEN= .dev.vars | cut -d= -f2-)" \\
    -H 'Content-Type: application/json' \\
    -d '{"workspace_id": 1, "name": "me", "scopes": ["groups:read", "groups:write", "users:read", "users:write", "audiences:read", "audiences:write", "webhooks:read", "webhooks:write"]}'

Get a token with its client_id and client_secret:

  curl ${url}/oauth/token -u CLIENT_ID:CLIENT_SECRET -d grant_type=client_credentials

Every operation: ${url}/openapi.json. Ctrl-C stops the server.
`
}
