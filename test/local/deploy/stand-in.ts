import { randomUUID } from 'node:crypto'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// Stands for wrangler: keeps an account in a file, records its calls, and prints what wrangler 4 prints.

export interface Account {
  databases: { uuid: string; name: string }[]
  buckets: string[]
  rules: string[]
  queues: string[]
  secrets: Record<string, string>
  deployed: boolean
  /** A command that fails, by its beginning. */
  fails?: string
  /** Whether Analytics Engine is not enabled. */
  unmeasured?: boolean
  /** What is there, but not listed. */
  hidden: string[]
}

export const empty: Account = {
  ...{ databases: [], buckets: [], rules: [], queues: [], secrets: {}, hidden: [] },
  deployed: false,
}

const folder = process.env['STAND_IN'] ?? ''
const file = join(folder, 'account.json')

class Refused extends Error {}

function take(list: string[], { hidden }: Account, name: string, refusal: string): string {
  if (list.includes(name) || hidden.includes(name)) throw new Refused(refusal)
  list.push(name)
  return `Created ${name}`
}

const table = (rows: string[][]) => rows.map((row) => `│ ${row.join(' │ ')} │`).join('\n')
const labelled = (names: string[]) =>
  names.map((name) => `name:           ${name}\ncreation_date:  2026-11-28`).join('\n\n')

function answer(account: Account, args: string[], input: string): string {
  const [command = '', name = ''] = [args.join(' '), args[args.indexOf('create') + 1]]
  const is = (start: string) => command.startsWith(start)
  if (account.fails !== undefined && is(account.fails)) throw new Refused('It fails. [code: 10000]')
  if (is('d1 list --json')) return JSON.stringify(account.databases, null, 2)
  if (is('d1 create')) return `${account.databases.push({ uuid: randomUUID(), name })} created`
  if (is('r2 bucket list')) return `Listing buckets...\n${labelled(account.buckets)}`
  if (is('r2 bucket create'))
    return take(account.buckets, account, name, 'It already exists. [code: 10004]')
  if (is('r2 bucket lifecycle list')) return `Listing lifecycle rules…\n${labelled(account.rules)}`
  if (is('r2 bucket lifecycle add'))
    return take(account.rules, account, args[5] ?? '', 'duplicate rule')
  if (is('queues list')) return queues(account, Number(args.at(-1)))
  if (is('queues create'))
    return take(account.queues, account, name, `'${name}' is already taken. [code: 11009]`)
  if (is('secret list')) return secrets(account)
  if (is('secret put')) return ((account.secrets[args[2] ?? ''] = input), 'Success!')
  if (is('d1 migrations apply')) return 'No migrations to apply!'
  if (is('d1 execute')) return '[]'
  if (is('deploy')) return deploy(account, args.at(-1) ?? '')
  throw new Refused(`Unknown arguments: ${command}`)
}

function queues({ queues }: Account, page: number): string {
  const size = 3 // few, so that there are pages
  const shown = queues.slice((page - 1) * size, page * size)
  return table([['id', 'name'], ...shown.map((name) => [randomUUID(), name])])
}

function deploy(account: Account, config: string): string {
  const measures = readFileSync(config, 'utf8').includes('analytics_engine_datasets')
  if (account.unmeasured === true && measures)
    throw new Refused('You need to enable Analytics Engine. [code: 10089]')
  account.deployed = true
  return 'Deployed'
}

function secrets({ secrets }: Account): string {
  const names = Object.keys(secrets)
  if (names.length === 0) throw new Refused('Worker "coterie" not found.')
  return JSON.stringify(names.map((name) => ({ name, type: 'secret_text' })))
}

if (import.meta.main) {
  const args = process.argv.slice(2)
  appendFileSync(join(folder, 'calls'), `${args.join(' ')}\n`)
  const account = JSON.parse(readFileSync(file, 'utf8')) as Account // written below, or by the test
  try {
    console.log(answer(account, args, readFileSync(0, 'utf8')))
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    console.error(`✘ [ERROR] ${error.message}`)
    process.exitCode = 1
  }
  writeFileSync(file, JSON.stringify(account))
}
