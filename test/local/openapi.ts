import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createConfig, formatProblems, getTotals, lintFromString } from '@redocly/openapi-core'
import { build } from 'esbuild'
import { temporaryFolder } from './folder.ts'
import { root } from './program.ts'

interface App {
  request: (path: string, init: RequestInit, env: object) => Promise<Response>
}

// Bundled, as Node reads no JSX.
const folder = temporaryFolder()
const bundle = join(folder, 'app.mjs')
await build({
  entryPoints: [join(root, 'src/api/app.ts')],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'error',
})
const { app } = (await import(pathToFileURL(bundle).href)) as { app: App } // what it exports

/** Lints the Worker's OpenAPI document by Redocly's recommended rules; only errors fail. */
const vars = {
  DB: {},
  ...{ AUDIENCES: '', PREVIOUS_KEYS: '[]', PARTICIPANT_MAX: 32, JOBS_DAYS: 30, HELD_DAYS: 7 },
  ...{ AUDIT_DAYS: 400, ERASURE_DAYS: 400 },
  ...{ REVOCATIONS_SECONDS: 20, EXPERIMENTS_MAX: 100, EXPOSURES_MAX: 1 },
  ADMIN_TOKEN: 'not used by this program, but long',
  PERSON_KEY: 'not used by this program, but long',
}
const answer = await app.request('/openapi.json', {}, vars)
const problems = await lintFromString({
  source: JSON.stringify(await answer.json(), null, 2),
  absoluteRef: 'openapi.json',
  config: await createConfig({ extends: ['recommended'] }),
})
const totals = getTotals(problems)
formatProblems(problems, { format: 'stylish', totals, version: '' })
console.log(`/openapi.json: ${totals.errors} errors, ${totals.warnings} warnings`)
process.exitCode = answer.ok && totals.errors === 0 ? 0 : 1
