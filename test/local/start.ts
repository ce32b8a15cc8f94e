import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { tick } from './clock.ts'
import { bold, dim } from './colour.ts'
import { linkToSignIn } from './console.ts'
import { during } from './during.ts'
import { main, root } from './program.ts'
import { ownLine, readable } from './readable.ts'
import { startServer } from './server.ts'
import { shardsOf } from './shards.ts'

/**
 * `npm start`: the Worker on this machine, until Ctrl-C. PORT and STATE_DIR set where it listens
 * and keeps state, `--json` shows its raw log, `--shards` is how many databases it has.
 */
await main(async () => {
  const { json, shards } = parseArgs({
    options: { json: { type: 'boolean', default: false }, shards: { type: 'string' } },
  }).values
  const port = Number(process.env['PORT'] || 8787)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`PORT is no port: ${process.env['PORT']}`)
  const stateDir = resolve(root, process.env['STATE_DIR'] || join(root, '.state'))

  let ready = false
  const onLine = (line: string) => {
    if (!ready) return
    const said = json ? ownLine(line) : readable(line)
    if (said !== undefined) console.log(said)
  }
  const { url, adminToken, ended } = await startServer({
    ...{ stateDir, port, onLine, during },
    shards: shardsOf(shards),
  })
  ready = true
  console.log(welcome(url, await linkToSignIn(url, adminToken), { stateDir, port }))
  tick(url)

  const last = await ended
  throw new Error(`The server has ended:\n${last}`)
})

function welcome(
  url: string,
  link: string,
  { stateDir, port }: { stateDir: string; port: number },
): string {
  const named = port === 8787 ? '' : `, with PORT=${port}`
  return `
Coterie listens on ${bold(url)}

  console     ${url}/console
  sign in     ${link}
              ${dim('once, within ten minutes, as the client “console” of workspace 1')}
  state       ${stateDir}
  secrets     .dev.vars; its ADMIN_TOKEN registers clients
  operations  ${url}/openapi.json
  next        paste "Ten lines" of README into a second terminal${named}

${dim('A line follows for each request; npm start -- --json shows all that the Worker says. Ctrl-C stops it.')}
`
}
