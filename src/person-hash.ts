import { createHmac } from 'node:crypto'
import type { Resources } from './resources.ts'

/**
 * Stands for a person where the id must not be kept: HMAC-SHA-256, so that nobody without the key
 * can try ids. A person has a different hash in each workspace.
 */
export const personHash = (
  { personKey }: Pick<Resources, 'personKey'>,
  workspace: number,
  person: string,
): string => createHmac('sha256', personKey).update(`${workspace}:${person}`).digest('base64url')
