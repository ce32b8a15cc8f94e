import { createConfig, formatProblems, getTotals, lintFromString } from '@redocly/openapi-core'

interface App {
  request: (path: string, init: RequestInit, env: object) => Promise<Response>
}

// A variable, so that TypeScript does not load its types, which need workerd's.
const source = new URL('../../src/api/app.ts', import.meta.url).href
const { app } = (await import(source)) as { app: App } // what it exports

/** Lints the Worker's OpenAPI document by Redocly's recommended rules; only errors fail. */
const vars = {
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
