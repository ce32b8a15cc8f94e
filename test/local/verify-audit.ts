import { readFileSync } from 'node:fs'
import { check, read } from './audit/verify.ts'
import { dim, green, yellow } from './colour.ts'
import { main } from './program.ts'

const usage = `npm run verify-audit -- FILE…

  Checks an export of events against their digests, offline. FILEs, in any order:
    events       GET /platform/workspaces/{id}/events with Accept: application/x-ndjson
    digests      GET /platform/workspaces/{id}/events/digests, or files of audit/{id}/ in R2
    keys         GET /.well-known/jwks.json; all of them where the signing key was rotated
`

/** `npm run verify-audit`: exit code 1 where something is missing or changed. */
await main(async () => {
  const files = process.argv.slice(2)
  if (files.length === 0 || files.includes('--help')) return (console.log(usage), 2)
  const audit = read(files.map((file) => readFileSync(file, 'utf8')))
  const { wrong, known } = check(audit)
  for (const one of known) console.log(dim(one))
  for (const one of wrong) console.log(yellow(one))
  const { lines, digests } = audit
  console.log(`${lines.length} events, ${digests.length} digests: ${wrong.length} problems`)
  if (wrong.length === 0) console.log(green('All that is covered is as it was.'))
  return wrong.length === 0 ? 0 : 1
})
