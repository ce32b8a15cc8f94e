import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTVerifyGetKey } from 'jose'
import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'

/** The keys of a team, kept by this isolate; jose fetches them again where a newer one is named. */
const keysOf = new Map<string, JWTVerifyGetKey>()

function teamKeys({ fetch }: Resources, issuer: string): JWTVerifyGetKey {
  const kept = keysOf.get(issuer)
  if (kept !== undefined) return kept
  const keys = createRemoteJWKSet(new URL(`${issuer}/cdn-cgi/access/certs`), {
    [customFetch]: (url, { headers, method, redirect, signal }) =>
      fetch(url, { headers, method, redirect, signal }),
  })
  keysOf.set(issuer, keys)
  return keys
}

/** Of jose: the keys could not be read, which says nothing about the assertion. */
const unread = ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC']

/**
 * The e-mail of whom Cloudflare Access has let through to this installation (Cloudflare One,
 * "Validate JWTs"). Throws `bad-credentials` for what its team has not signed for it.
 */
export async function verifyAssertion(res: Resources, assertion: string): Promise<string> {
  const wrong = new Failure({ reason: 'bad-credentials', why: 'wrong' })
  const { cloudflareAccess: access } = res
  if (access === undefined) throw wrong
  const issuer = `https://${access.team}.cloudflareaccess.com`
  try {
    const { payload } = await jwtVerify(assertion, teamKeys(res, issuer), {
      issuer,
      audience: access.audience,
      algorithms: ['RS256'],
      currentDate: new Date(res.now()),
      requiredClaims: ['exp', 'iat'],
    })
    const email = payload['email']
    // A service token has none: programs sign in by their secrets.
    if (typeof email !== 'string' || email === '') throw wrong
    return email.toLowerCase()
  } catch (error) {
    if (error instanceof errors.JOSEError && !unread.includes(error.code)) throw wrong
    throw error
  }
}
