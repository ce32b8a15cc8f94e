import { base64url } from 'jose'

/** SHA-256 as base64url: enough for secrets of 256 random bits. */
export async function hashOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return base64url.encode(new Uint8Array(digest))
}

/** Compares in constant time; what is sent as a hash may be any text. */
export function sameHash(a: string, b: string): boolean {
  const [given, known] = [new TextEncoder().encode(a), new TextEncoder().encode(b)]
  return given.length === known.length && crypto.subtle.timingSafeEqual(given, known)
}

/** 256 random bits as base64url. */
export function randomSecret(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)))
}
