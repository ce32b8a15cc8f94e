import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { root } from './program.ts'

/** All that `npm run verify` asks before the tests, what takes longest first. */
const checks = ['deploy', 'types', 'tus', 'memory', 'format', 'bundle', 'openapi']

/** Runs a check; what it says comes as a whole, as another one runs beside it. */
async function passes(check: string): Promise<boolean> {
  const command = `npm run check:${check} 2>&1`
  const child = spawn(command, { cwd: root, shell: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  console.log(await text(child.stdout))
  return (await ended) === 0
}

const left = [...checks]
const failed: string[] = []
async function lane(): Promise<void> {
  for (let check = left.shift(); check !== undefined; check = left.shift())
    if (!(await passes(check))) failed.push(check)
}
await Promise.all([lane(), lane()])
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`)
process.exitCode = failed.length
