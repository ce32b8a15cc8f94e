import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { app } from '../../src/api/app.ts'
import type { Env } from '../../src/resources.ts'
import { countingQueue } from './taken.ts'

/** Calls the Worker as it is with other vars. */
export async function callWith(
  vars: Partial<Env>,
  path: string,
  init?: RequestInit,
): Promise<Response> {
  const context = createExecutionContext()
  const answer = await app.fetch(
    new Request(`https://coterie.test${path}`, init),
    { ...env, EVENTS: countingQueue(env.EVENTS), ...vars },
    context,
  )
  await waitOnExecutionContext(context)
  return answer
}
