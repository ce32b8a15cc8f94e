import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Makes a file readable by its owner alone, if it is there. */
export function ownFile(file: string): void {
  if (existsSync(file)) chmodSync(file, 0o600)
}

/** Writes a file that its owner alone reads. */
export function writeOwn(file: string, text: string): void {
  ownFile(file) // writing leaves the mode of a file that is there
  writeFileSync(file, text, { mode: 0o600 })
}

/** Makes a folder that its owner alone reads. */
export function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o700)
}

/** What wrangler makes in a folder of state. */
const stateName = 'v3'

/**
 * Makes the state below a folder readable by its owner alone, and so whatever this program and
 * those that it starts make from now on. The folder itself, too, unless it holds something else.
 */
export function ownState(stateDir: string): void {
  process.umask(0o077)
  const state = join(stateDir, stateName)
  ownFolder(state)
  for (const entry of readdirSync(state, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory()) ownFolder(path)
    if (entry.isFile()) ownFile(path)
  }
  if (readdirSync(stateDir).length === 1) ownFolder(stateDir)
}
