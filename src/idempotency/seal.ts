import { base64url } from 'jose'
import type { RequestKey, Resources } from '../resources.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const ivBytes = 12

/** Whoever has not both the installation's key and the client's can read no sealed answer. */
async function secretOf(
  { personKey }: Pick<Resources, 'personKey'>,
  { workspace, client }: RequestKey,
  text: string,
): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', utf8(text), 'HKDF', false, ['deriveKey'])
  const info = utf8(`answer of ${workspace} ${client}`)
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: utf8(personKey), info },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}

/** Seals an answer by the text of the Idempotency-Key, which is not stored. */
export async function seal(
  res: Resources,
  key: RequestKey,
  text: string,
  answer: string,
): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(ivBytes))
  const secret = await secretOf(res, key, text)
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, secret, utf8(answer))
  return base64url.encode(Buffer.concat([iv, new Uint8Array(sealed)]))
}

export async function unseal(
  res: Resources,
  key: RequestKey,
  text: string,
  sealed: string,
): Promise<string> {
  const bytes = base64url.decode(sealed)
  const iv = bytes.slice(0, ivBytes)
  const secret = await secretOf(res, key, text)
  const answer = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, secret, bytes.slice(ivBytes))
  return new TextDecoder().decode(answer)
}
