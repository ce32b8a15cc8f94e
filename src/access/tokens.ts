import { calculateJwkThumbprint, CompactSign, importJWK, jwtVerify, SignJWT, type JWK } from 'jose'
import { Failure } from '../failure.ts'
import type { Signing } from '../resources.ts'

/** The client that a verified token was issued to. */
export interface Caller {
  client: string
  name: string
  workspace: number
  scopes: readonly string[]
}

/** A token's caller, the second in which it was issued, and the shard. */
export interface Verified {
  caller: Caller
  issuedAt: number
  /** On which its workspace was then; undefined where there was but one. */
  shard: number | undefined
}

/**
 * Seconds that a token is valid, unless its client says less: eight hours (Group Identity API,
 * "Authenticate with a bearer token").
 */
export const longestLifetime = 28_800

const algorithm = 'EdDSA'

interface Keys {
  signing: { kid: string; key: CryptoKey }
  verifying: Map<string, CryptoKey>
  published: JWK[]
}

interface Cache {
  keys: Promise<Keys>
  /** By verified token; `expires` in seconds. */
  callers: Map<string, Verified & { expires: number }>
}

// Importing a key and checking a signature cost more than the rest of a request.
const caches = new Map<string, Cache>()
const callersMost = 10_000

function cacheOf(signing: Signing): Cache {
  const id = JSON.stringify(signing)
  let cache = caches.get(id)
  if (cache === undefined) {
    cache = { keys: readKeys(signing), callers: new Map() }
    caches.set(id, cache)
  }
  return cache
}

async function readKeys(signing: Signing): Promise<Keys> {
  const own = JSON.parse(signing.key) as JWK // our own secret, checked by importJWK
  const published: JWK[] = []
  const verifying = new Map<string, CryptoKey>()
  for (const jwk of [own, ...(JSON.parse(signing.previous) as JWK[])]) {
    // Only the public members, whatever the list holds.
    const publicKey: JWK = { kty: jwk.kty ?? '', crv: jwk.crv ?? '', x: jwk.x ?? '' }
    const kid = jwk.kid ?? (await calculateJwkThumbprint(publicKey))
    published.push({ ...publicKey, kid, use: 'sig', alg: algorithm })
    verifying.set(kid, (await importJWK(publicKey, algorithm)) as CryptoKey) // an OKP key is never bytes
  }
  return {
    signing: { kid: published[0]?.kid ?? '', key: (await importJWK(own, algorithm)) as CryptoKey },
    verifying,
    published,
  }
}

/** The public keys, as a JWK Set holds them (RFC 7517 §5). */
export async function publishedKeys(signing: Signing): Promise<JWK[]> {
  return (await cacheOf(signing).keys).published
}

/** A text as a JWS in compact form (RFC 7515 §7.1), with the public key that verifies it. */
export async function signText(signing: Signing, text: string): Promise<string> {
  const { signing: own, published } = await cacheOf(signing).keys
  const { kty = '', crv = '', x = '' } = published[0] ?? {}
  return new CompactSign(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: algorithm, kid: own.kid, jwk: { kty, crv, x } })
    .sign(own.key)
}

/** What limits a client's next token. */
export interface Validity {
  /** Seconds. */
  tokenLifetime: number
  /** When the client expires, in milliseconds; Infinity where it does not. */
  expiresAt: number
  /** Tokens issued up to this millisecond are refused; 0 where none are. */
  revokedUntil: number
}

/** When a token is issued, and when it ends, in seconds. */
export interface Span {
  issuedAt: number
  expires: number
}

/** Begins after the last revocation, whose clock may be ahead, and ends no later than the client. */
export function spanOf({ tokenLifetime, expiresAt, revokedUntil }: Validity, now: number): Span {
  return {
    issuedAt: Math.max(Math.floor(now / 1000), Math.floor(revokedUntil / 1000) + 1),
    expires: Math.floor(Math.min(now + 1000 * tokenLifetime, expiresAt) / 1000),
  }
}

export interface Grant {
  caller: Caller
  issuer: string
  audience: string
  id: string
  span: Span
  shard?: number | undefined
}

/** Signs a token that holds the whole caller, so that checking it needs no database. */
export async function issueToken(
  signing: Signing,
  { caller, issuer, audience, id, span, shard }: Grant,
): Promise<string> {
  const { kid, key } = (await cacheOf(signing).keys).signing
  return new SignJWT({
    workspace: caller.workspace,
    scope: caller.scopes.join(' '),
    client_name: caller.name,
    ...(shard !== undefined && { shard }),
  })
    .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(caller.client)
    .setIssuedAt(span.issuedAt)
    .setExpirationTime(span.expires)
    .setJti(id)
    .sign(key)
}

/**
 * Throws `unauthenticated` unless the token is ours, unexpired and for one of our audiences. It may
 * be revoked: see `refuseRevoked`.
 */
export async function verifyToken(signing: Signing, token: string, now: number): Promise<Verified> {
  const { keys, callers } = cacheOf(signing)
  const cached = callers.get(token)
  if (cached !== undefined && now < cached.expires * 1000) return cached
  callers.delete(token)

  const { verifying } = await keys
  const claims = await jwtVerify(
    token,
    ({ kid }) => {
      const key = verifying.get(kid ?? '')
      if (key === undefined) throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
      return key
    },
    {
      algorithms: [algorithm],
      audience: [...signing.audiences],
      currentDate: new Date(now),
      requiredClaims: ['sub', 'iat', 'exp', 'workspace'],
    },
  ).then(
    ({ payload }) => payload,
    () => {
      throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
    },
  )
  const verified = {
    caller: {
      client: String(claims.sub),
      name: String(claims['client_name']),
      workspace: Number(claims['workspace']),
      scopes: String(claims['scope']).split(' '),
    },
    issuedAt: claims.iat ?? 0,
    expires: claims.exp ?? 0,
    shard: typeof claims['shard'] === 'number' ? claims['shard'] : undefined,
  }
  if (callers.size >= callersMost) callers.delete(callers.keys().next().value ?? '')
  callers.set(token, verified)
  return verified
}
