import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { noDifference } from './no-difference.ts'
import { operators } from './operators.ts'
import { shuffled } from './random.ts'
import { read } from './source.ts'

/** One fault: what stands in a file, and what stands there in its place. */
export interface Fault {
  file: string
  line: number
  operator: string
  start: number
  found: string
  put: string
}

/** Left out, as no test can run them: migrations make the tables, and people read descriptions. */
const left = /^src\/db\/schema\.ts$|\/describe\.ts$/

/** Throws where a line of `noDifference` is no longer in its file. */
export function checkNoDifference(root: string): void {
  for (const { file, line } of noDifference) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    if (!lines.some((one) => one.trim() === line))
      throw new Error(`no-difference.ts names a line that ${file} does not have: ${line}`)
  }
}

/** Every fault that the operators know to make in a project, by line, file after file. */
export function faultsBelow(root: string, wanted: (file: string) => boolean): Fault[][] {
  return globSync('src/**/*.ts', { cwd: root })
    .filter((file) => !left.test(file) && wanted(file))
    .sort()
    .flatMap((file) => {
      const faults = faultsOf(file, readFileSync(join(root, file), 'utf8'))
      return [...Map.groupBy(faults, ({ line }) => line).entries()]
        .sort(([a], [b]) => a - b)
        .map(([, of]) => of)
    })
}

function faultsOf(file: string, text: string): Fault[] {
  const source = read(text)
  const faults = operators.flatMap(({ name, find, put }) =>
    find(source).map(({ start, end }): Fault => {
      const found = text.slice(start, end)
      const first = start + (/^\s*/.exec(found)?.[0].length ?? 0)
      const line = text.slice(0, first).split('\n').length
      return { file, line, operator: name, start, found, put: put(found) }
    }),
  )
  const lines = text.split('\n').map((line) => line.trim())
  return [...new Map(faults.map((fault) => [keyOf(fault), fault])).values()].filter(
    ({ file, line, operator, found, put }) =>
      found !== put &&
      !noDifference.some(
        (known) =>
          known.file === file &&
          known.operator === operator &&
          known.line === lines[line - 1] &&
          (known.found ?? found) === found,
      ),
  )
}

const keyOf = ({ file, start, found, put }: Fault) => `${file}:${start}:${found}:${put}`

/** Places for so many faults, spread evenly over the lines: for each, what to try there in turn. */
export function sample(lines: Fault[][], count: number, random: () => number): Fault[][] {
  const between = lines.length / count
  const offset = random() * between
  return Array.from({ length: Math.min(count, lines.length) }, (_, i) => {
    const first = Math.floor(offset + i * Math.max(between, 1)) % lines.length
    return lines.slice(first, first + 5).flatMap((line) => shuffled(line, random))
  })
}

export const apply = ({ start, found, put }: Fault, text: string): string =>
  text.slice(0, start) + put + text.slice(start + found.length)

/** A fault as the lines that it takes away and puts there. */
export function diff(fault: Fault, text: string): string {
  const before = text.split('\n')
  const after = apply(fault, text).split('\n')
  let head = 0
  while (head < before.length && before[head] === after[head]) head++
  let tail = 0
  while (
    tail < Math.min(before.length, after.length) - head &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail++
  const changed = (lines: string[], sign: string) =>
    lines.slice(head, lines.length - tail).map((line) => `${sign} ${line}`)
  return [...changed(before, '-'), ...changed(after, '+')].join('\n')
}
