import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { green } from './colour.ts'
import { Moves, type Move } from './moves.ts'
import { main } from './program.ts'
import { ensureSecrets } from './secrets.ts'
import { number } from './stage.ts'

const usage = `npm run move -- --workspace 7 --to DB_2 [--config wrangler.coterie.toml] [--url https://…]
npm run move -- --workspace 7 --back

Moves a workspace to another database of the installation while it is used, or has it stay where it
is. May be stopped, and called again. ADMIN_TOKEN is read from the environment; without a config or
a URL, the Worker of npm start is asked.`

/** `npm run move`: asks the Worker to move a workspace, and shows how that goes on. */
await main(async () => {
  const { values } = parseArgs({
    options: {
      workspace: { type: 'string' },
      to: { type: 'string' },
      back: { type: 'boolean', default: false },
      config: { type: 'string' },
      url: { type: 'string' },
    },
  })
  const workspace = Number(values.workspace)
  if (!Number.isSafeInteger(workspace) || values.back === (values.to !== undefined))
    throw new Error(usage)
  const moves = movesOf(values)
  if (values.to !== undefined) await moves.begin(workspace, values.to)
  else await goBack(moves, workspace)
  const { status, paused_ms, problem, to } = await moves.ended(workspace, show)
  process.stdout.write('\n')
  if (status === 'CANCELLED') {
    console.log(`The workspace has stayed where it was${problem === null ? '' : `: ${problem}`}.`)
    return problem === null ? 0 : 1
  }
  console.log(green(`✓ The workspace is on ${to}; writers waited for ${paused_ms} ms.`))
  console.log('What it has left is deleted in a day.')
  return 0
})

function movesOf({ config, url }: { config?: string; url?: string }): Moves {
  const origin = config && /^ORIGIN = "(.+)"$/m.exec(readFileSync(config, 'utf8'))?.[1]
  if (config !== undefined && !origin) throw new Error(`${config} has no ORIGIN: name --url`)
  const local = config === undefined && url === undefined
  const adminToken = process.env['ADMIN_TOKEN'] ?? (local ? ensureSecrets().adminToken : undefined)
  if (adminToken === undefined) throw new Error('ADMIN_TOKEN is not in the environment')
  return new Moves(url ?? (origin || `http://localhost:${process.env['PORT'] || 8787}`), adminToken)
}

async function goBack(moves: Moves, workspace: number): Promise<void> {
  const newest = await moves.newest(workspace)
  if (newest === undefined) throw new Error(`Nobody has moved the workspace ${workspace}`)
  await moves.back(newest)
}

function show({ status, rows_copied, rows_compared, changes_copied }: Move): void {
  const counts = `${number.format(rows_copied)} rows copied, ${number.format(rows_compared)} compared`
  const line = `${status.toLowerCase().padEnd(10)} ${counts}, ${number.format(changes_copied)} again`
  process.stdout.write(process.stdout.isTTY ? `\r${line}\x1b[K` : `${line}\n`)
}
