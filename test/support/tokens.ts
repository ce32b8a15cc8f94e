import { env } from 'cloudflare:workers'
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  SignJWT,
  type JWK,
  type JWTPayload,
} from 'jose'

const now = () => Math.floor(Date.now() / 1000)
const encode = (part: object) =>
  btoa(JSON.stringify(part)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')

/** A token as the Worker signs it, with other claims. */
export async function resigned(token: string, change: JWTPayload): Promise<string> {
  const key = await importJWK(JSON.parse(env.SIGNING_KEY) as JWK, 'EdDSA')
  const { kid = '' } = decodeProtectedHeader(token)
  return new SignJWT({ ...decodeJwt(token), ...change })
    .setProtectedHeader({ alg: 'EdDSA', kid })
    .sign(key)
}

/** Tokens like the given one that must be refused, by what is wrong with each. */
export async function wrongTokens(
  token: string,
  anothers: string,
): Promise<Record<string, string>> {
  const claims = decodeJwt(token)
  const { kid = '' } = decodeProtectedHeader(token)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const { d: _, ...own } = JSON.parse(env.SIGNING_KEY) as JWK
  const foreign = (more: object) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', ...more }).sign(privateKey)
  return {
    'is no token': 'x',
    'is not of three parts': `${header}.${payload}`,
    'has no signature': `${header}.${payload}.`,
    'is cut short': token.slice(0, -4),
    "has another's claims": `${header}.${anothers.split('.')[1] ?? ''}.${signature}`,
    'says that it is not signed': `${encode({ alg: 'none', kid })}.${payload}.`,
    'has expired': await resigned(token, { iat: now() - 28_801, exp: now() - 1 }),
    'never expires': await resigned(token, { exp: undefined as unknown as number }),
    'is for someone else': await resigned(token, { aud: 'https://elsewhere.test' }),
    'is signed with a foreign key': await foreign({ kid }),
    'is signed with a foreign key under its own name': await foreign({ kid: 'foreign' }),
    'brings a foreign key along': await foreign({ kid, jwk: await exportJWK(publicKey) }),
    'is signed with our public key as a password': await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid })
      .sign(new TextEncoder().encode(JSON.stringify(own))),
  }
}
