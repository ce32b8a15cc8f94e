import { base64url } from 'jose'

/** SHA-256 as base64url. Enough for a secret of 256 random bits, which no dictionary holds. */
export async function hashOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return base64url.encode(new Uint8Array(digest))
}

/** Whether two hashes are the same, in a time that does not tell where they differ. */
export function sameHash(a: string, b: string): boolean {
  return (
    a.length === b.length && crypto.subtle.timingSafeEqual(base64url.decode(a), base64url.decode(b))
  )
}

/** 256 random bits as base64url. */
export function randomSecret(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)))
}
