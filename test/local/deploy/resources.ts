import { databaseOf } from './config.ts'
import type { Options } from './options.ts'
import type { Platform } from './platform.ts'

export const unknownId = '00000000-0000-0000-0000-000000000000'

/** The account that all is in. Throws where the token may reach several and none is named. */
export async function accountOf({ api, dry }: Platform): Promise<string> {
  const named = process.env['CLOUDFLARE_ACCOUNT_ID'] ?? ''
  if (named !== '') return named
  const found = await api('GET', '/accounts')
  if (dry) return '{account}'
  const [only, ...others] = found as { id: string }[] // as the API answers
  if (only === undefined || others.length > 0)
    throw new Error('Set CLOUDFLARE_ACCOUNT_ID: the token reaches no account, or several')
  return only.id
}

/** The address that the Worker has at workers.dev. */
export async function addressOf({ api }: Platform, account: string, name: string): Promise<string> {
  const { subdomain = '{subdomain}' } = (await api(
    'GET',
    `/accounts/${account}/workers/subdomain`,
  )) as { subdomain?: string } // as the API answers
  return `https://${name}.${subdomain}.workers.dev`
}

/** The ids of the databases, by their shards: the first is made where it is missing, or the next. */
export function ensureDatabases(
  { wrangler, dry }: Platform,
  { name, place, addShard }: Options,
): string[] {
  const find = () => {
    const listed = listIn(wrangler(['d1', 'list', '--json'])) as { name: string; uuid: string }[] // as wrangler prints them
    const ids: string[] = []
    const next = () => listed.find((database) => database.name === databaseOf(name, ids.length))
    for (let found = next(); found !== undefined; found = next()) ids.push(found.uuid)
    return ids
  }
  const found = find()
  if (addShard && found.length === 0 && !dry) throw new Error(`There is no installation ${name}`)
  if (found.length > 0 && !addShard) return found
  const missing = databaseOf(name, dry && addShard ? 1 : found.length)
  wrangler(['d1', 'create', missing, ...place, '--update-config=false'])
  const made = find()
  if (made.length === found.length && !dry)
    throw new Error(`The database ${missing} is made, but not listed`)
  return dry ? Array<string>(addShard ? 2 : 1).fill(unknownId) : made
}

/** Switches read replication on where it is off. Throws where it stays off. */
export async function ensureReplication(
  { api, dry }: Platform,
  account: string,
  databaseId: string,
): Promise<void> {
  const path = `/accounts/${account}/d1/database/${databaseId}`
  const isOn = async () => {
    const database = (await api('GET', path)) as { read_replication?: { mode?: string } } // as the API answers
    return database.read_replication?.mode === 'auto'
  }
  if (await isOn()) return
  await api('PUT', path, { read_replication: { mode: 'auto' } })
  if (!(await isOn()) && !dry) throw new Error('Read replication is still off')
}

/** The bucket, and its rule that ends what an upload left behind. */
export function ensureBucket(
  { wrangler }: Platform,
  bucket: string,
  jurisdiction: string | undefined,
): void {
  const where = jurisdiction === undefined ? [] : ['--jurisdiction', jurisdiction]
  const listed = wrangler(['r2', 'bucket', 'list', ...where])
  if (!namesIn(listed).includes(bucket))
    // Wrangler lists the first page of buckets alone.
    unlessThere(() =>
      wrangler(['r2', 'bucket', 'create', bucket, ...where, '--update-config=false']),
    )
  const rules = ['r2', 'bucket', 'lifecycle']
  if (namesIn(wrangler([...rules, 'list', bucket, ...where])).includes('leftovers')) return
  const days = ['--expire-days', '7', '--abort-multipart-days', '1']
  wrangler([...rules, 'add', bucket, 'leftovers', 'uploads/', ...days, '--force', ...where])
}

/** Makes the queues that are missing. */
export function ensureQueues({ wrangler }: Platform, queues: string[]): void {
  const there = new Set<string>()
  for (let page = 1; ; page++) {
    const names = cellsIn(wrangler(['queues', 'list', '--page', `${page}`]))
    const before = there.size
    names.forEach((name) => there.add(name))
    if (there.size === before) break
  }
  for (const queue of queues)
    if (!there.has(queue)) unlessThere(() => wrangler(['queues', 'create', queue]))
}

/** Runs what makes a thing, unless another has made it meanwhile. */
function unlessThere(make: () => void): void {
  try {
    make()
  } catch (error) {
    if (!/already (exists|taken|own)|code: (10004|11009)/i.test(String(error))) throw error
  }
}

/** The list in what wrangler printed, whatever stands around it. */
export function listIn(said: string): unknown[] {
  const [from, to] = [said.indexOf('['), said.lastIndexOf(']')]
  return from < 0 ? [] : (JSON.parse(said.slice(from, to + 1)) as unknown[]) // it begins with [
}

const namesIn = (said: string) =>
  [...said.matchAll(/^name:\s+(\S+)/gm)].map(([, name = '']) => name)

const cellsIn = (said: string) =>
  said
    .split('\n')
    .flatMap((line) => line.split('│').slice(1, -1))
    .map((cell) => cell.trim())
