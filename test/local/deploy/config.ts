import { createHash } from 'node:crypto'
import { withShards } from '../shards.ts'

export interface Installation {
  name: string
  /** Of its shards, by their numbers. */
  databaseIds: string[]
  jurisdiction: string | undefined
  /** A host name of its own. */
  domain: string | undefined
  /** Public JWKs of signing keys that were replaced. */
  previousKeys: readonly unknown[]
}

/** What an installation calls a thing of `wrangler.toml`, so that two of them never share one. */
export const nameIn = (installation: string, name: string) =>
  name === 'coterie' ? installation : `${installation}-${name.replace(/^coterie-/, '')}`

/** What the database of a shard is called. */
export const databaseOf = (installation: string, shard: number) =>
  shard === 0 ? installation : `${installation}-shard-${shard}`

/** Every queue of `wrangler.toml` by its name in the installation, dead letters too. */
export function queuesOf(toml: string, installation: string): string[] {
  const named = toml.matchAll(/^(?:queue|dead_letter_queue) = "(.+)"$/gm)
  return [...new Set([...named].map(([, name = '']) => nameIn(installation, name)))]
}

export function bucketOf(toml: string, installation: string): string {
  return nameIn(installation, /^bucket_name = "(.+)"$/m.exec(toml)?.[1] ?? 'files')
}

/** The same `wrangler.toml` with the names and ids of one installation. */
export function configOf(toml: string, installation: Installation): string {
  const { name, databaseIds, jurisdiction, domain, previousKeys } = installation
  const [databaseId = '', ...others] = databaseIds
  const route = `\n[[routes]]\npattern = "${domain ?? ''}"\ncustom_domain = true\n`
  const bucketPlace = jurisdiction === undefined ? '' : `\njurisdiction = "${jurisdiction}"`
  const own = (found: string) => nameIn(name, found)
  const keys = JSON.stringify(JSON.stringify(previousKeys))
  const config = toml
    .replace(/^name = ".+"$/m, `name = "${name}"`)
    .replace(valuesOf('database_name|bucket_name|queue|dead_letter_queue'), own)
    .replace(valuesOf('database_id'), databaseId)
    .replace(valuesOf('namespace_id'), (found) => `${ownId(name, found)}`)
    .replace(valuesOf('dataset'), (found) => own(found).replaceAll('-', '_'))
    .replace(/^bucket_name = .+$/gm, (line) => line + bucketPlace)
    .replace(/^PREVIOUS_KEYS = .+$/m, () => `PREVIOUS_KEYS = ${keys}`)
  const all = withShards(
    config,
    others.map((id, i) => ({ name: databaseOf(name, i + 1), id })),
  )
  return domain === undefined ? all : all + route
}

/** The same config for an account that has no Analytics Engine. */
export const withoutMetrics = (config: string) =>
  config.replace(/^\[\[analytics_engine_datasets\]\]\n(?:.+\n)*/m, '')

const valuesOf = (keys: string) => new RegExp(`(?<=^(?:${keys}) = ").+(?="$)`, 'gm')

/** A number that is its own in the account, as rate limits are counted by it. */
const ownId = (installation: string, id: string) =>
  createHash('sha256').update(`${installation} ${id}`).digest().readUInt32BE() % 1_000_000_000
