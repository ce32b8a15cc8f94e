import { basename, dirname } from 'node:path'

/** Folders that hold several rooms' dialects say nothing of which tests are near. */
const common = new Set(['src', 'api', 'platform', 'wire', 'groups-v3', 'groups', 'db', 'users'])

/** The words of a name, each in the singular: `users-file.test.ts` has user and file. */
const wordsOf = (name: string) =>
  basename(name)
    .replace(/(?:\.test)?\.ts$/, '')
    .split('-')
    .map((word) => word.replace(/ies$/, 'y').replace(/s$/, ''))

const roomOf = (file: string) => file.split('/')[1] ?? ''

/**
 * Which test files to run for a fault of a file, in rounds: those that share a word with its name, those of its room,
 * those at the front door, and all others.
 */
export function roundsFor(file: string, tests: readonly string[]): string[][] {
  const folder = basename(dirname(file))
  const words = new Set([...wordsOf(file), ...(common.has(folder) ? [] : wordsOf(folder))])
  const wanted: ((test: string) => boolean)[] = [
    (test) =>
      wordsOf(test).some((word) => words.has(word)) &&
      [roomOf(file), 'api', 'stories'].includes(roomOf(test)),
    (test) => roomOf(test) === roomOf(file),
    (test) => ['api', 'stories'].includes(roomOf(test)),
    () => true,
  ]
  const left = new Set(tests)
  return wanted.map((isWanted) => {
    const round = [...left].filter(isWanted)
    for (const test of round) left.delete(test)
    return round
  })
}

/** Rounds whose tests are of the file itself or of its room. */
export const near = 2
