import { eq } from 'drizzle-orm'
import { clients, revocations } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { named } from '../places/directory.ts'
import type { Resources } from '../resources.ts'
import { issueToken, longestLifetime, spanOf, type Caller } from './tokens.ts'

/** Seconds: signing out does not end it. */
const lifetime = 600

export interface PageToken {
  token: string
  /** Seconds. */
  lifetime: number
}

/** A token by which a page of the console tries the API as its caller. Throws `unauthenticated`. */
export async function issuePageToken(
  res: Resources,
  caller: Caller,
  issuer: string,
): Promise<PageToken> {
  const now = res.now()
  const [client] = await res.database
    .select({
      tokenLifetime: clients.tokenLifetime,
      expiresAt: clients.expiresAt,
      revokedUntil: revocations.until,
    })
    .from(clients)
    .leftJoin(revocations, eq(revocations.client, clients.id))
    .where(eq(clients.id, caller.client))
  if (client === undefined) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
  const tokenLifetime = Math.min(lifetime, client.tokenLifetime ?? longestLifetime)
  const validity = {
    tokenLifetime,
    expiresAt: client.expiresAt ?? Infinity,
    revokedUntil: client.revokedUntil ?? 0,
  }
  const span = spanOf(validity, now)
  const audience = res.signing.audiences[0] ?? ''
  const grant = { caller, issuer, audience, id: crypto.randomUUID(), span, shard: named(res) }
  return { token: await issueToken(res.signing, grant), lifetime: span.expires - span.issuedAt }
}
