import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'

/** The project's folder. */
export const root = join(import.meta.dirname, '../..')

/** A running program, with its children, in a process group of its own. */
export interface Program {
  group: number
  /** Its exit code, once it has ended and its output is read. */
  ended: Promise<number>
  /** The last lines that it said. */
  tail: () => string
  stop: () => Promise<void>
}

const running = new Set<Program>()
const patience = 5000

/** Starts a tool of node_modules/.bin, which ends with us; `onLine` gets its output by line. */
export function start(
  tool: string,
  args: string[],
  env: Record<string, string>,
  { onLine, cwd = root }: { onLine?: ((line: string) => void) | undefined; cwd?: string } = {},
): Program {
  const bin = join(root, 'node_modules/.bin')
  const child = spawn(join(bin, tool), args, {
    cwd,
    env: { ...process.env, ...env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const group = child.pid
  if (group === undefined) throw new Error(`${tool} is not installed: run npm ci first`)

  const last: string[] = []
  for (const input of [child.stdout, child.stderr])
    createInterface({ input }).on('line', (text) => {
      const line = stripVTControlCharacters(text).trimEnd()
      last.push(line)
      if (last.length > 30) last.shift()
      onLine?.(line)
    })

  const { promise: ended, resolve } = Promise.withResolvers<number>()
  const stop = async () => {
    signal(group, 'SIGTERM')
    await Promise.race([ended, sleep(patience, undefined, { ref: false })])
    signal(group, 'SIGKILL')
    await ended
  }
  const program = { group, ended, tail: () => last.join('\n').trim(), stop }
  running.add(program)
  child.on('close', (code) => {
    running.delete(program)
    resolve(code ?? 1)
  })
  return program
}

function signal(group: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-group, name)
  } catch {
    // It has ended already.
  }
}

process.on('exit', () => running.forEach(({ group }) => signal(group, 'SIGKILL')))

let leaving = false
for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.on(name, async () => {
    // A second signal does not wait.
    if (!leaving) {
      leaving = true
      await stopAll()
    }
    process.exit(code)
  })

const stopAll = () => Promise.all([...running].map(({ stop }) => stop()))

/**
 * Runs a program of ours to its exit code; an error is one short line, and what it started is
 * stopped.
 */
export async function main(run: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run()
  } catch (error) {
    if (leaving) return
    const cause =
      error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
    console.error(`${error instanceof Error ? error.message : String(error)}${cause}`)
    process.exitCode = 1
  } finally {
    await stopAll()
  }
}
