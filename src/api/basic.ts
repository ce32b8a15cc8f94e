import { Failure } from '../failure.ts'

export interface Credentials {
  id: string
  secret: string
}

/**
 * The credentials of HTTP Basic (RFC 7617), form-encoded inside it (RFC 6749 §2.3.1). Throws
 * `bad-credentials`.
 */
export function basicCredentials(authorization: string): Credentials {
  const encoded = /^Basic +([\w+/]+=*) *$/i.exec(authorization)?.[1]
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(fromBase64(encoded ?? '')) ?? []
  if (id === undefined || secret === undefined)
    throw new Failure({ reason: 'bad-credentials', why: 'wrong' })
  const decoded = new URLSearchParams(`id=${id}&secret=${secret}`)
  return { id: decoded.get('id') ?? '', secret: decoded.get('secret') ?? '' }
}

function fromBase64(encoded: string): string {
  try {
    return atob(encoded)
  } catch {
    return ''
  }
}
