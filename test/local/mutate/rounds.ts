import { basename, dirname } from 'node:path'

/** Names of folders that say nothing of which tests are near. */
const common = new Set(['src', 'api', 'platform', 'wire', 'groups-v3', 'groups', 'db', 'users'])

/** The words of a name, each in the singular: `users-file.test.ts` has user and file. */
const wordsOf = (name: string) =>
  basename(name)
    .replace(/(?:\.test)?\.ts$/, '')
    .split('-')
    .map((word) => word.replace(/ies$/, 'y').replace(/s$/, ''))

const roomOf = (file: string) => file.split('/')[1] ?? ''

/**
 * Which test files to run for a fault of a file, in rounds: those that name it or share a word with
 * its name, those of its room, those at the front door, all others. Tests are texts by their paths.
 */
export function roundsFor(file: string, tests: ReadonlyMap<string, string>): string[][] {
  const folder = basename(dirname(file))
  const words = new Set([...wordsOf(file), ...(common.has(folder) ? [] : wordsOf(folder))])
  const room = roomOf(file)
  const doors = new Set(['api', 'stories'])
  const wanted: ((test: string, text: string) => boolean)[] = [
    (test, text) =>
      text.includes(`/${file}'`) ||
      (wordsOf(test).some((word) => words.has(word)) &&
        (doors.has(roomOf(test)) || roomOf(test) === room)),
    (test) => roomOf(test) === room,
    (test) => doors.has(roomOf(test)),
    () => true,
  ]
  const left = new Map(tests)
  return wanted.map((isWanted) => {
    const round = [...left].flatMap(([test, text]) => (isWanted(test, text) ? [test] : []))
    for (const test of round) left.delete(test)
    return round
  })
}

/** How many of the rounds are near: a failure there is believed at once. */
export const near = 2
