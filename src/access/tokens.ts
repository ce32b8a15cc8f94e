import { calculateJwkThumbprint, importJWK, jwtVerify, SignJWT, type JWK } from 'jose'
import { Failure } from '../failure.ts'
import type { Signing } from '../resources.ts'

/** Who a verified token speaks for. */
export interface Caller {
  client: string
  name: string
  workspace: number
  scopes: readonly string[]
}

/** Seconds that a token lives: eight hours (Group Identity API, "Authenticate with a bearer token"). */
export const lifetime = 28_800

const algorithm = 'EdDSA'

interface Keys {
  signing: { kid: string; key: CryptoKey }
  verifying: Map<string, CryptoKey>
  published: JWK[]
}

interface Remembered {
  keys: Promise<Keys>
  /** Verified tokens and until when (seconds) they hold. */
  callers: Map<string, { caller: Caller; until: number }>
}

// Once per isolate: importing a key and checking a signature cost more than the rest of a request.
const cached = new Map<string, Remembered>()
const callersKept = 10_000

function recall(signing: Signing): Remembered {
  const id = JSON.stringify(signing)
  let known = cached.get(id)
  if (known === undefined) {
    known = { keys: readKeys(signing), callers: new Map() }
    cached.set(id, known)
  }
  return known
}

async function readKeys(signing: Signing): Promise<Keys> {
  const own = JSON.parse(signing.key) as JWK // our own secret, checked by importJWK
  const published: JWK[] = []
  const verifying = new Map<string, CryptoKey>()
  for (const jwk of [own, ...(JSON.parse(signing.previous) as JWK[])]) {
    // Only the public members, whatever the list holds.
    const open: JWK = { kty: jwk.kty ?? '', crv: jwk.crv ?? '', x: jwk.x ?? '' }
    const kid = jwk.kid ?? (await calculateJwkThumbprint(open))
    published.push({ ...open, kid, use: 'sig', alg: algorithm })
    verifying.set(kid, (await importJWK(open, algorithm)) as CryptoKey) // an OKP key is never bytes
  }
  return {
    signing: { kid: published[0]?.kid ?? '', key: (await importJWK(own, algorithm)) as CryptoKey },
    verifying,
    published,
  }
}

/** The public keys, as a JWK Set holds them (RFC 7517 §5). */
export async function publishedKeys(signing: Signing): Promise<JWK[]> {
  return (await recall(signing).keys).published
}

export interface Grant {
  caller: Caller
  issuer: string
  audience: string
  id: string
  /** Milliseconds. */
  now: number
}

/** Signs a token that names all a request needs to know of its caller, so that checking it asks no database. */
export async function issueToken(
  signing: Signing,
  { caller, issuer, audience, id, now }: Grant,
): Promise<string> {
  const { kid, key } = (await recall(signing).keys).signing
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

/** Who the token speaks for. Throws `unauthenticated` unless it is ours, unexpired and for one of our audiences. */
export async function verifyToken(signing: Signing, token: string, now: number): Promise<Caller> {
  const { keys, callers } = recall(signing)
  const known = callers.get(token)
  if (known !== undefined && now < known.until * 1000) return known.caller
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
  if (callers.size >= callersKept) callers.delete(callers.keys().next().value ?? '')
  callers.set(token, { caller, until: claims.exp ?? 0 })
  return caller
}
