import { listIn } from './resources.ts'
import type { Platform } from './platform.ts'

/** A JWK. */
export interface PublicKey {
  kid: string
}

/** The secrets that the Worker has; none where there is no such Worker yet. */
export function secretsOf({ wrangler }: Platform, config: string): Set<string> {
  try {
    const secrets = listIn(wrangler(['secret', 'list', '--config', config])) as { name: string }[] // as wrangler prints them
    return new Set(secrets.map(({ name }) => name))
  } catch (error) {
    if (/Worker .*not found|10007/i.test(String(error))) return new Set()
    throw error
  }
}

/** The public keys that a live Worker checks tokens with, the one that signs first; undefined where it does not answer. */
export async function publishedKeys(url: string): Promise<PublicKey[] | undefined> {
  try {
    const answer = await fetch(`${url}/.well-known/jwks.json`)
    if (!answer.ok) return undefined
    return ((await answer.json()) as { keys: PublicKey[] }).keys // RFC 7517 §5
  } catch {
    return undefined
  }
}

/** The same as the config of the deployment before has them, without the one that signs. */
export function configuredKeys(toml: string): PublicKey[] {
  const text = /^PREVIOUS_KEYS = (".*")$/m.exec(toml)?.[1] ?? '"[]"'
  return JSON.parse(JSON.parse(text) as string) as PublicKey[] // written by `configOf`
}
