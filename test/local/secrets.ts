import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { ownFile, writeOwn } from './private.ts'
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

/**
 * Adds missing secrets to `.dev.vars`, which its owner alone reads, and returns the one that
 * registers clients.
 */
export function ensureSecrets(): { adminToken: string } {
  ownFile(file)
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const known = parseEnv(text)
  const missing = Object.entries(makers).filter(([name]) => !known[name])
  if (missing.length > 0) {
    const lines = missing.map(([name, make]) => `${name}=${make()}\n`).join('')
    writeOwn(file, text === '' || text.endsWith('\n') ? text + lines : `${text}\n${lines}`)
  }
  return { adminToken: known['ADMIN_TOKEN'] || ensureSecrets().adminToken }
}
