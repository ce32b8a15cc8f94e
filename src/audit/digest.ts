import { createHash } from 'node:crypto'

/** A signed sum of a day's events. Each event is in exactly one digest, in the order of keys. */
export interface Digest {
  /** 2026-11-28, by UTC. */
  day: string
  /** The ids of the first and the last event; null on a day without any. */
  first: string | null
  last: string | null
  count: number
  /** Of the events' lines (see webhooks/record.ts), in hexadecimal digits. */
  sha256: string
  /** The SHA-256 of the signature of the digest before; null for the first. */
  previous: string | null
  /** A JWS in compact form, of all of these and the workspace. */
  signature: string
}

/** What is signed. */
export const payloadOf = (
  workspace: number,
  { day, first, last, count, sha256, previous }: Omit<Digest, 'signature'>,
) => ({ workspace, day, first, last, count, sha256, previous })

export const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')
