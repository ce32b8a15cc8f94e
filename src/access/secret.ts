import { base64url } from 'jose'

/** SHA-256 as base64url: enough for secrets of 256 random bits. */
export async function hashOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return base64url.encode(new Uint8Array(digest))
}

/** Compares in constant time. */
export function sameHash(a: string, b: string): boolean {
  return (
    a.length === b.length && crypto.subtle.timingSafeEqual(base64url.decode(a), base64url.decode(b))
  )
}

/** 256 random bits as base64url. */
export function randomSecret(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)))
}
