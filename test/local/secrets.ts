import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { root } from './program.ts'

const file = join(root, '.dev.vars')

const makers = {
  ADMIN_TOKEN: newSecret,
  SIGNING_KEY: newSigningKey,
  PERSON_KEY: newSecret,
}

/** Nobody guesses it. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** A private JWK that tokens can be signed with. */
export function newSigningKey(): string {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  return JSON.stringify({ ...jwk, kid: randomUUID(), alg: 'EdDSA' })
}

/** Adds missing secrets to `.dev.vars`, and returns the one that registers clients. */
export function ensureSecrets(): { adminToken: string } {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const known = parseEnv(text)
  const missing = Object.entries(makers).filter(([name]) => !known[name])
  if (missing.length > 0) {
    const lines = missing.map(([name, make]) => `${name}=${make()}\n`).join('')
    appendFileSync(file, text === '' || text.endsWith('\n') ? lines : `\n${lines}`, { mode: 0o600 })
  }
  return { adminToken: known['ADMIN_TOKEN'] || ensureSecrets().adminToken }
}
