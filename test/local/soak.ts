import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'

// npm run soak -- 30 [seed]: the properties of the suite, round after round, for so many minutes.
const [minutes = '10', first] = process.argv.slice(2)
const secondsEach = 20
const files = globSync('test/**/*.test.ts').filter((path) =>
  readFileSync(path, 'utf8').includes('support/property.ts'),
)
const until = Date.now() + Number(minutes) * 60_000
for (let round = 1; Date.now() < until && process.exitCode === undefined; round++) {
  const seed = round === 1 && first !== undefined ? first : `${Math.floor(Math.random() * 2 ** 31)}`
  console.log(
    `Round ${round}: ${files.length} files, ${secondsEach} seconds a property, seed ${seed}`,
  )
  const { status } = spawnSync('vitest', ['run', '--config', 'test/vitest.config.ts', ...files], {
    stdio: 'inherit',
    env: { ...process.env, SOAK_SECONDS: `${secondsEach}`, SOAK_SEED: seed },
  })
  if (status !== 0) process.exitCode = status ?? 1
}
