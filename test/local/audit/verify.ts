import { createPublicKey, verify, type JsonWebKey } from 'node:crypto'
import { sha256Of, type Digest } from '../../../src/audit/digest.ts'

type Key = JsonWebKey & { kid?: string }

/** What is checked: the lines of an export, the digests of its days, and the keys where given. */
export interface Audit {
  lines: string[]
  digests: Digest[]
  keys: Key[]
}

/** What is wrong, and what is worth knowing: with nothing wrong, all that is covered is as it was. */
export interface Findings {
  wrong: string[]
  known: string[]
}

/**
 * Takes the text of an export, of digests, or of a JWK Set. Throws where it is none of these. A
 * digest that is given twice, as its file and in a list, counts once.
 */
export function read(texts: string[]): Audit {
  const audit: Audit = { lines: [], digests: [], keys: [] }
  for (const text of texts) {
    const json = jsonOf(text)
    if (Array.isArray(json)) audit.digests.push(...json.map(readDigest))
    else if (isObject(json) && 'signature' in json) audit.digests.push(readDigest(json))
    else if (isObject(json) && Array.isArray(json['keys']))
      audit.keys.push(...json['keys'].filter(isObject))
    else audit.lines = audit.lines.concat(text.split('\n').filter((line) => line !== ''))
  }
  const apart = new Map(audit.digests.map((digest) => [JSON.stringify(fieldsOf(digest)), digest]))
  audit.digests = [...apart.values()].sort((a, b) => (a.day < b.day ? -1 : 1))
  return audit
}

function readDigest(json: unknown): Digest {
  if (isObject(json) && typeof json['day'] === 'string' && typeof json['signature'] === 'string')
    return json as unknown as Digest // each other field is compared with what was signed
  throw new Error('a list has an entry that is no digest')
}

const fieldsOf = ({ day, first, last, count, sha256, previous, signature }: Digest) => [
  day,
  first,
  last,
  count,
  sha256,
  previous,
  signature,
]

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json)

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // as an export of several lines is none
  }
}

/** Whose digests they are, as they say, and of which days. */
export function scopeOf({ digests }: Audit): string {
  const [first, last] = [digests[0], digests.at(-1)]
  if (first === undefined || last === undefined) return 'nothing'
  return `workspace ${workspacesOf(digests).join(', ')}, ${first.day} to ${last.day}`
}

const workspacesOf = (digests: Digest[]): string[] => [
  ...new Set(
    digests.map(({ signature }) => {
      const body = jsonOf(Buffer.from(signature.split('.')[1] ?? '', 'base64url').toString())
      return isObject(body) ? String(body['workspace']) : 'unknown'
    }),
  ),
]

/** Checks signatures, the chain of days, and the events of each day. */
export function check({ lines, digests, keys }: Audit): Findings {
  const found: Findings = { wrong: [], known: [] }
  if (digests.length === 0)
    found.wrong.push('there is no digest: that of a day is made at 04:00 UTC of the next')
  if (keys.length === 0 && digests.length > 0)
    found.wrong.push('without /.well-known/jwks.json anybody may have signed the digests')
  const workspaces = workspacesOf(digests)
  if (workspaces.length > 1)
    found.wrong.push(`the digests are of several workspaces: ${workspaces.join(', ')}`)
  for (const digest of digests) found.wrong.push(...problemsOfSignature(digest, keys))
  found.wrong = found.wrong.concat(problemsOfChain(digests))
  if (digests[0] !== undefined && digests[0].previous !== null)
    found.known.push(`digests before ${digests[0].day} are not covered`)
  checkEvents(lines, digests, found)
  return found
}

function problemsOfSignature(digest: Digest, keys: Key[]): string[] {
  const [head = '', body = '', signature = ''] = digest.signature.split('.')
  try {
    const { kid, jwk } = decoded(head) as { kid: string; jwk: Key }
    const key = keys.length === 0 ? jwk : keys.find((key) => key.kid === kid)
    if (key === undefined) return [`${digest.day}: signed by the key ${kid}, which is not known`]
    const publicKey = createPublicKey({ key, format: 'jwk' })
    const bytes = Buffer.from(signature, 'base64url')
    if (!verify(null, Buffer.from(`${head}.${body}`), publicKey, bytes))
      return [`${digest.day}: the signature is wrong`]
    const signed = decoded(body)
    const fields = ['day', 'first', 'last', 'count', 'sha256', 'previous'] as const
    return fields
      .filter((field) => signed[field] !== digest[field])
      .map((field) => `${digest.day}: ${field} is not what was signed`)
  } catch {
    return [`${digest.day}: the signature cannot be read`]
  }
}

const decoded = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown> // or it throws

function problemsOfChain(digests: Digest[]): string[] {
  return digests.slice(1).flatMap((digest, i) => {
    const before = digests[i]
    if (before === undefined) return []
    if (before.day === digest.day) return [`${digest.day}: there are two digests`]
    const missing = daysBetween(before.day, digest.day)
    if (missing.length > 0) return missing.map((day) => `${day}: the digest is missing`)
    return digest.previous === sha256Of(before.signature)
      ? []
      : [`${digest.day}: the digest follows another than that of ${before.day}`]
  })
}

function daysBetween(from: string, to: string): string[] {
  const days: string[] = []
  for (let at = Date.parse(from) + 86_400_000; at < Date.parse(to); at += 86_400_000)
    days.push(new Date(at).toISOString().slice(0, 10))
  return days
}

/** The events of each digest stand behind those of the one before. */
function checkEvents(lines: string[], digests: Digest[], found: Findings): void {
  const places = new Map(lines.map((line, i) => [idOf(line), i]))
  for (const [i, line] of lines.entries()) {
    const id = idOf(line)
    if (id === undefined) found.wrong.push(`line ${i + 1} is no event`)
    else if (places.get(id) !== i) found.wrong.push(`${id}: there are two lines of it`)
  }
  let next: number | undefined
  let older = ''
  for (const digest of digests) {
    const { day, first, last, count } = digest
    if (first === null || last === null) {
      if (count !== 0 || digest.sha256 !== sha256Of(''))
        found.wrong.push(`${day}: not an empty day`)
      continue
    }
    const [begin, end] = [places.get(first), places.get(last)]
    if (next === undefined && begin === undefined) {
      // The export begins later, or within the day.
      older = day
      found.known.push(`${day}: older than the export's first event, not covered`)
      if (end !== undefined) next = end + 1
      continue
    }
    if (begin === undefined) found.wrong.push(`${day}: the first event ${first} is missing`)
    if (end === undefined) found.wrong.push(`${day}: the last event ${last} is missing`)
    const from = next ?? begin ?? 0
    const of = lines.slice(from, (end ?? from + count - 1) + 1)
    found.wrong = found.wrong.concat(problemsOfDay(digest, of))
    // Of a day that is not covered there may be events that happened after it.
    const strange = lines.slice(0, from).filter((line) => older === '' || dayOf(line) <= older)
    if (next === undefined && strange.length > 0)
      found.wrong.push(
        `${day}: before the first event ${first} stand ${strange.length} lines of no digest`,
      )
    next = from + of.length
  }
  const summed = digests.reduce((sum, { count }) => sum + count, 0)
  if (next === undefined && summed > 0)
    found.wrong.push(`the export has none of the ${summed} events of the digests`)
  const left = lines.length - (next ?? 0)
  if (left > 0) found.known.push(`the last ${left} events are in no digest yet`)
}

function problemsOfDay({ day, first, count, sha256 }: Digest, lines: string[]): string[] {
  if (sha256Of(lines.map((line) => `${line}\n`).join('')) === sha256) return []
  const changed = lines.filter((line) => idOf(line) !== undefined && !isAsExported(line))
  const named = changed.map((line) => `${day}: ${idOf(line)} is not as it was exported`)
  const added = lines.findIndex((line) => idOf(line) === first)
  if (lines.length < count) return [...named, `${day}: ${count - lines.length} events are missing`]
  if (lines.length > count)
    return [
      ...named,
      `${day}: ${lines.length - count} lines are added` +
        (added > 0 ? `, the first ${added} before its first event ${first}` : ''),
    ]
  return [...named, ...orderOf(day, lines), `${day}: its events are not what they were`]
}

/** Events that are older than the one before by more than they may be written late. */
function orderOf(day: string, lines: string[]): string[] {
  const at = (line: string) => Date.parse(timestampOf(line))
  return lines
    .slice(1)
    .flatMap((line, i) =>
      at(line) < at(lines[i] ?? line) - 300_000
        ? [`${day}: ${idOf(line)} stands behind a later event`]
        : [],
    )
}

const isAsExported = (line: string) => JSON.stringify(jsonOf(line)) === line

function fieldOf(line: string, field: string): string | undefined {
  const json = jsonOf(line)
  const value = isObject(json) ? json[field] : undefined
  return typeof value === 'string' ? value : undefined
}

const idOf = (line: string) => fieldOf(line, 'id')
const timestampOf = (line: string) => fieldOf(line, 'timestamp') ?? ''
const dayOf = (line: string) => timestampOf(line).slice(0, 10)
