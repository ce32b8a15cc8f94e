import { calculateJwkThumbprint, importJWK, jwtVerify, SignJWT, type JWK } from 'jose'
import { Failure } from '../failure.ts'
import type { Signing } from '../resources.ts'

/** The client that a verified token was issued to. */
export interface Caller {
  client: string
  name: string
  workspace: number
  scopes: readonly string[]
}

/**
 * Seconds that a token is valid: eight hours (Group Identity API, "Authenticate with a bearer
 * token").
 */
export const lifetime = 28_800

const algorithm = 'EdDSA'

interface Keys {
  signing: { kid: string; key: CryptoKey }
  verifying: Map<string, CryptoKey>
  published: JWK[]
}

interface Cache {
  keys: Promise<Keys>
  /** By verified token; `expires` in seconds. */
  callers: Map<string, { caller: Caller; expires: number }>
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

export interface Grant {
  caller: Caller
  issuer: string
  audience: string
  id: string
  /** Milliseconds. */
  now: number
}

/** Signs a token that holds the whole caller, so that checking it needs no database. */
export async function issueToken(
  signing: Signing,
  { caller, issuer, audience, id, now }: Grant,
): Promise<string> {
  const { kid, key } = (await cacheOf(signing).keys).signing
  const issuedAt = Math.floor(now / 1000)
  return new SignJWT({
    workspace: caller.workspace,
    scope: caller.scopes.join(' '),
    client_name: caller.name,
  })
    .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(caller.client)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + lifetime)
    .setJti(id)
    .sign(key)
}

/** Throws `unauthenticated` unless the token is ours, unexpired and for one of our audiences. */
export async function verifyToken(signing: Signing, token: string, now: number): Promise<Caller> {
  const { keys, callers } = cacheOf(signing)
  const cached = callers.get(token)
  if (cached !== undefined && now < cached.expires * 1000) return cached.caller
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
      requiredClaims: ['sub', 'exp', 'workspace'],
    },
  ).then(
    ({ payload }) => payload,
    () => {
      throw new Failure({ reason: 'unauthenticated', why: 'invalid' })
    },
  )
  const caller: Caller = {
    client: String(claims.sub),
    name: String(claims['client_name']),
    workspace: Number(claims['workspace']),
    scopes: String(claims['scope']).split(' '),
  }
  if (callers.size >= callersMost) callers.delete(callers.keys().next().value ?? '')
  callers.set(token, { caller, expires: claims.exp ?? 0 })
  return caller
}
