import { readFileSync } from 'node:fs'
import { check, read, scopeOf } from './audit/verify.ts'
import { green, red, yellow } from './colour.ts'
import { main } from './program.ts'

const usage = `npm run verify-audit -- FILE…

  Checks an export of events against their digests, offline. FILEs, in any order:
    events       GET /platform/workspaces/{id}/events with Accept: application/x-ndjson
    digests      GET /platform/workspaces/{id}/events/digests?size=1000, or files of audit/{id}/ in R2
    keys         GET /.well-known/jwks.json; all of them where the signing key was rotated
`

const shownMost = 1000

/** `npm run verify-audit`: exit code 1 where something is missing or changed. */
await main(async () => {
  const files = process.argv.slice(2)
  if (files.length === 0 || files.includes('--help')) return (console.log(usage), 2)
  const audit = read(files.map((file) => textOf(file)))
  const { wrong, known } = check(audit)
  for (const one of known) console.log(yellow(one))
  for (const one of wrong.slice(0, shownMost)) console.log(red(one))
  if (wrong.length > shownMost) console.log(red('…'))
  const { lines, digests } = audit
  const of = digests.length === 0 ? '' : ` of ${scopeOf(audit)}`
  const problems = wrong.length === 1 ? '1 problem' : `${wrong.length} problems`
  console.log(`${lines.length} events, ${digests.length} digests${of}: ${problems}`)
  if (wrong.length > 0) return 1
  if (known.length === 0) console.log(green('All is as it was.'))
  else console.log('What is covered is as it was; what is not is said above.')
  return 0
})

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Error(`${file} cannot be read: export less at once, by after=`, { cause })
  }
}
