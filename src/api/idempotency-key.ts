import { invalid } from '../failure.ts'

export const keyHeader = 'Idempotency-Key'
export const replayedHeader = 'Idempotency-Replayed'

const quoted = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/

/**
 * The key of a header, a quoted string (draft-ietf-httpapi-idempotency-key-header, RFC 8941 §3.3.3)
 * or bare. Throws `invalid`.
 */
export function readKey(header: string): string {
  const text = header.trim()
  const key = text.startsWith('"') ? quoted.exec(text)?.[1]?.replace(/\\(["\\])/g, '$1') : text
  if (key === undefined || !/^[ -~]{1,255}$/.test(key))
    throw invalid(keyHeader, 'must be 1 to 255 printable characters of ASCII, quoted or not')
  return key
}
