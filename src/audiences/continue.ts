import { Failure } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import type { Counted } from './query.ts'
import type { Rule } from './rule.ts'

/** Characters of a token: of the ids of a user and of a sample, by far. */
export const tokenMax = 8000

/** What a token is good for: the rule of a workspace, with those of used audiences. */
async function fingerprintOf(workspace: number, rule: Rule): Promise<string> {
  const text = new TextEncoder().encode(`${workspace} ${stringifyJson(rule)}`)
  return Buffer.from(await crypto.subtle.digest('SHA-256', text)).toString('base64url')
}

/** Where a count goes on, as text; it says nothing that its client does not know. */
export async function tokenOf(workspace: number, rule: Rule, counted: Counted): Promise<string> {
  const { scanned, all, sample, after } = counted
  const fingerprint = await fingerprintOf(workspace, rule)
  return Buffer.from(JSON.stringify([fingerprint, after, scanned, all, sample])).toString(
    'base64url',
  )
}

/** The count that a token is about. Throws `invalid`, also for another rule's. */
export async function readToken(workspace: number, rule: Rule, token: string): Promise<Counted> {
  const read = parsed(token)
  if (read === undefined) throw refused('is not what a count has given')
  const [fingerprint, after, scanned, all, sample] = read
  if (fingerprint !== (await fingerprintOf(workspace, rule)))
    throw refused('is of another rule: begin again')
  return { after, scanned, each: [all], all, sample }
}

const refused = (problem: string) => new Failure({ reason: 'invalid', field: 'continue', problem })

type Token = [fingerprint: string, after: string, scanned: number, all: number, sample: string[]]

function parsed(token: string): Token | undefined {
  let read: unknown
  try {
    read = JSON.parse(Buffer.from(token, 'base64url').toString())
  } catch {
    return undefined
  }
  if (!Array.isArray(read) || read.length !== 5) return undefined
  const [fingerprint, after, scanned, all, sample] = read as unknown[]
  if (typeof fingerprint !== 'string' || typeof after !== 'string') return undefined
  if (!isCount(scanned) || !isCount(all) || all > scanned) return undefined
  const isSample = (ids: unknown): ids is string[] =>
    Array.isArray(ids) && ids.length <= all && ids.every((id) => typeof id === 'string')
  return isSample(sample) ? [fingerprint, after, scanned, all, sample] : undefined
}

const isCount = (given: unknown): given is number =>
  Number.isSafeInteger(given) && Number(given) >= 0
