import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'

// npm run soak -- 30 [seed]: the properties of the suite, round after round, for so many minutes.
const [minutes = '10', first] = process.argv.slice(2)
const secondsEach = 20
const files = globSync('test/**/*.test.ts').filter((path) =>
  readFileSync(path, 'utf8').includes('support/property.ts'),
)
const report = join(temporaryFolder(), 'soak.json')
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
let histories = 0

interface Report {
  testResults: { assertionResults: { meta: { histories?: number } }[] }[]
}

const until = Date.now() + Number(minutes) * 60_000
for (let round = 1; Date.now() < until && process.exitCode === undefined; round++) {
  const seed = round === 1 && first !== undefined ? first : `${Math.floor(Math.random() * 2 ** 31)}`
  console.log(
    `Round ${round}: ${files.length} files, ${secondsEach} seconds a property, seed ${seed}`,
  )
  const args = ['run', '--config', 'test/vitest.config.ts', ...reporters, ...files]
  const { status } = spawnSync('vitest', args, {
    stdio: 'inherit',
    env: { ...process.env, SOAK_SECONDS: `${secondsEach}`, SOAK_SEED: seed },
  })
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report // as vitest writes it
  for (const { assertionResults } of testResults)
    for (const { meta } of assertionResults) histories += meta.histories ?? 0
  console.log(`${histories} histories so far`)
  if (status !== 0) process.exitCode = status ?? 1
}
