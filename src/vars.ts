/** A whole number from 1, up to `most`. Vars come as numbers or as text. */
export function wholeOf(name: string, value: unknown, most = Infinity): number {
  const given = Number(value)
  if (!Number.isInteger(given) || given < 1 || given > most)
    throw new Error(`${name} must be a whole number from 1${most < Infinity ? ` to ${most}` : ''}`)
  return given
}

/** A secret that was not put is missing. */
export function secretOf(name: string, secret: string | undefined): string {
  if (secret === undefined || secret.length < 32)
    throw new Error(`${name} must have at least 32 characters`)
  return secret
}

/** Where the installation is reached; undefined where it does not say. */
export function originOf(text = ''): string | undefined {
  if (text === '') return undefined
  const url = URL.parse(text)
  if (url === null || !/^https?:/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new Error('ORIGIN must be like https://coterie.example.com, without a path')
  return url.origin
}

const hostsOf = (text = ''): string[] =>
  text
    .toLowerCase()
    .split(' ')
    .map((host) => host.replace(/^\.+/, ''))
    .filter((host) => host !== '')

/** Count requests by a key; undefined where they are not limited. */
export type Limiters = Record<'requests' | 'lookups' | 'doors' | 'questions', RateLimit | undefined>

export interface LimiterBindings {
  RATE_LIMITED: boolean
  LIMITER?: RateLimit
  LOOKUP_LIMITER?: RateLimit
  DOOR_LIMITER?: RateLimit
  QUESTION_LIMITER?: RateLimit
}

export const limitersOf = (bound: LimiterBindings): Limiters =>
  String(bound.RATE_LIMITED) === 'true'
    ? {
        requests: bound.LIMITER,
        lookups: bound.LOOKUP_LIMITER,
        doors: bound.DOOR_LIMITER,
        questions: bound.QUESTION_LIMITER,
      }
    : { requests: undefined, lookups: undefined, doors: undefined, questions: undefined }

/** Shards that take no new workspaces, of so many. One is open, or a new workspace had no place. */
export function closedOf(text: string | number | undefined = '', shards: number): number[] {
  const closed = String(text)
    .split(' ')
    .filter((shard) => shard !== '')
    .map(Number)
  if (closed.some((shard) => !Number.isInteger(shard) || shard < 0))
    throw new Error('SHARDS_CLOSED must be numbers of shards, separated by blanks')
  if (new Set(closed.filter((shard) => shard < shards)).size === shards)
    throw new Error('SHARDS_CLOSED must leave a shard open')
  return closed
}

/** Where events may be sent. */
export interface WebhookAddresses {
  /** Also over http, to this machine and to every port. */
  local: boolean
  /** Only to these hosts and those below them; none: to all. */
  hosts: readonly string[]
}

export const addressesOf = (bound: {
  WEBHOOKS_LOCAL: boolean
  WEBHOOK_HOSTS: string
}): WebhookAddresses => ({
  local: String(bound.WEBHOOKS_LOCAL) === 'true',
  hosts: hostsOf(bound.WEBHOOK_HOSTS),
})

/** Cloudflare Access in front of the console: its team, and the audience tag of its application. */
export interface CloudflareAccess {
  team: string
  audience: string
}

/** Undefined where neither is set; what one alone would let in nobody knows. */
export function accessOf({
  ACCESS_TEAM: team = '',
  ACCESS_AUDIENCE: audience = '',
}: Partial<Record<'ACCESS_TEAM' | 'ACCESS_AUDIENCE', string>>): CloudflareAccess | undefined {
  if (team === '' && audience === '') return undefined
  if (!/^[a-z0-9-]+$/.test(team))
    throw new Error('ACCESS_TEAM must be like bank, of https://bank.cloudflareaccess.com')
  if (!/^[0-9a-f]{64}$/.test(audience))
    throw new Error('ACCESS_AUDIENCE must be the audience tag of the application: 64 hex digits')
  return { team, audience }
}
