import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root, start } from '../program.ts'

/** A copy of the project in which one test run at a time goes on. */
export interface Lane {
  folder: string
  compiles: () => Promise<boolean>
  run: (files: string[]) => Promise<Verdict>
}

/** What a run of tests has come to: the first file of it that failed, if one did. */
export interface Verdict {
  failed?: { file: string; how: 'test' | 'time'; message: string } | undefined
}

const quiet = { WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1', CI: '1' }

/** Milliseconds in which no test ends, after which a run is thought to hang. */
const silence = 180_000

/** Folders that are made by those who run, or that a link stands for. */
const notCopied = ['node_modules', '.git', '.wrangler', '.state', 'dist']

export function makeLane(folder: string): Lane {
  cpSync(root, folder, {
    recursive: true,
    filter: (path) => !notCopied.includes(basename(path)) && !/\.log$/.test(path),
  })
  // Its own, so that what Vite keeps there is its own too.
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!/^\.vite/.test(name))
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
  return {
    folder,
    compiles: async () =>
      // What a fault leaves unused is no error.
      (await start('tsc', ['-p', '.', '--noUnusedLocals', 'false'], quiet, { cwd: folder })
        .ended) === 0,
    run: (files) => runTests(folder, files),
  }
}

async function runTests(folder: string, files: string[]): Promise<Verdict> {
  if (files.length === 0) return {}
  const report = join(folder, 'report.json')
  writeFileSync(report, '{}')
  let last = Date.now()
  const run = start(
    'vitest',
    [
      ...['run', '--config', 'test/vitest.config.ts', '--bail', '1', '--maxWorkers', '1'],
      ...['--reporter', 'verbose', '--reporter', 'json', '--outputFile', report],
      ...files,
    ],
    quiet,
    { cwd: folder, onLine: () => (last = Date.now()) },
  )
  let hung = false
  const watch = setInterval(() => {
    if (Date.now() - last < silence) return
    hung = true
    void run.stop()
  }, 1000)
  const code = await run.ended
  clearInterval(watch)
  if (hung) return { failed: { file: files.join(' '), how: 'time', message: 'no test ended' } }
  if (code === 0) return {}
  return { failed: firstFailure(folder, report) ?? unexplained(files, run.tail()) }
}

/** The part of Vitest's report that is read here. */
interface Report {
  testResults?: {
    name: string
    status: string
    message: string
    assertionResults: { status: string; fullName: string; failureMessages: string[] }[]
  }[]
}

function firstFailure(folder: string, report: string): Verdict['failed'] {
  const { testResults = [] } = JSON.parse(readFileSync(report, 'utf8')) as Report // by Vitest
  const file = testResults.find(({ status }) => status === 'failed')
  if (file === undefined) return undefined
  const test = file.assertionResults.find(({ status }) => status === 'failed')
  const message = test?.failureMessages[0] ?? file.message
  return {
    file: file.name.replace(`${folder}/`, ''),
    how: /timed out/i.test(message) ? 'time' : 'test',
    message: `${test?.fullName ?? 'the file'}: ${message.split('\n')[0] ?? ''}`,
  }
}

/** An error outside of any test: the run tells which, its files do not. */
const unexplained = (files: string[], tail: string): Verdict['failed'] => ({
  file: files.join(' '),
  how: 'test',
  message: tail.slice(-500),
})
