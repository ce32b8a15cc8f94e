import { createConfig, formatProblems, getTotals, lintFromString } from '@redocly/openapi-core'

interface App {
  request: (path: string, init: RequestInit, env: object) => Promise<Response>
}

// Named so that its types, which are those of workerd, are not looked for here.
const source = new URL('../../src/api/app.ts', import.meta.url).href
const { app } = (await import(source)) as { app: App } // what it exports

/** Lints the OpenAPI document as the Worker gives it, by Redocly's recommended rules: errors fail, warnings are told. */
const vars = { AUDIENCES: '', PREVIOUS_KEYS: '[]', PARTICIPANT_MAX: 32 }
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
