import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'

/** Random ids of 32 characters. */
export const randomIds = (count: number) =>
  Array.from({ length: count }, () => randomBytes(16).toString('hex'))

/** Writes a file of participants and gives its path. */
export function writeIds(path: string, ids: string[]): string {
  writeFileSync(path, `ParticipantId\n${ids.join('\n')}\n`)
  return path
}
