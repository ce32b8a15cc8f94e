import { parseArgs } from 'node:util'

/** What `npm run deploy` does. */
export interface Options {
  /** Of the installation: the Worker's name, and the beginning of each other name. */
  name: string
  /** Where the database is made, if it is to be made. */
  place: string[]
  /** Where the bucket is kept. */
  jurisdiction: string | undefined
  /** A host name of a zone of the account, which the Worker is to have. */
  domain: string | undefined
  /** Where the Worker answers, if it is neither there nor at workers.dev. */
  url: string | undefined
  rotate: boolean
  dropPrevious: boolean
  /** Makes one more database. */
  addShard: boolean
  /** Brings the databases up to date, and does nothing else. */
  migrateOnly: boolean
  dryRun: boolean
}

export const usage = `npm run deploy -- --name coterie [--env staging] [--domain groups.bank.example]
  [--location weur | --jurisdiction eu] [--rotate-signing-key] [--drop-previous-keys] [--dry-run]
npm run add-shard -- --name coterie [--location weur | --jurisdiction eu]
npm run migrate -- --name coterie`

/** Throws what is wrong, in a line. */
export function readOptions(args: string[]): Options {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args,
    options: {
      ...{ name: { ...text, default: 'coterie' }, env: text, domain: text, url: text },
      ...{ location: text, jurisdiction: text },
      ...{ 'rotate-signing-key': flag, 'drop-previous-keys': flag, 'dry-run': flag },
      ...{ 'add-shard': flag, 'migrate-only': flag },
    },
  })
  const name = values.env === undefined ? values.name : `${values.name}-${values.env}`
  // The longest name that is made of it ends in `-deliveries-dead`, and has 63 characters at most.
  if (!/^[a-z]([a-z\d-]{0,38}[a-z\d])?$/.test(name))
    throw new Error(`The name ${name} is not of 1 to 40 lower-case letters, digits and dashes`)
  const { location, jurisdiction, domain } = values
  if (domain !== undefined && !/^[a-z\d-]+(\.[a-z\d-]+)+$/.test(domain))
    throw new Error(`${domain} is no host name`)
  const url = values.url ?? (domain === undefined ? undefined : `https://${domain}`)
  if (location !== undefined && jurisdiction !== undefined)
    throw new Error('A database has a location or a jurisdiction, not both')
  return {
    name,
    place: [
      ...(location === undefined ? [] : ['--location', location]),
      ...(jurisdiction === undefined ? [] : ['--jurisdiction', jurisdiction]),
    ],
    jurisdiction,
    domain,
    url: url?.replace(/\/+$/, ''),
    rotate: values['rotate-signing-key'],
    dropPrevious: values['drop-previous-keys'],
    addShard: values['add-shard'],
    migrateOnly: values['migrate-only'],
    dryRun: values['dry-run'],
  }
}
