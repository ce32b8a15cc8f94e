import type { Json } from './api.ts'
import { homeDb } from './databases.ts'

/** An answer as it is repeated, and whether it says so. */
export interface Answered {
  status: number
  body: string
  location: string | null
  replayed: boolean
}

export async function answered(answering: Response | Promise<Response>): Promise<Answered> {
  const { status, headers, ...answer } = await taken(answering)
  return {
    ...{ status, body: answer.body, location: headers.get('location') },
    replayed: headers.get('idempotency-replayed') === 'true',
  }
}

async function taken(answering: Response | Promise<Response>) {
  const answer = await answering
  return { status: answer.status, headers: answer.headers, body: await answer.text() }
}

/** The rows of keys in a workspace. */
export async function keysOf(workspace: number): Promise<Json[]> {
  const { results } = await homeDb
    .prepare('SELECT * FROM idempotency_keys WHERE workspace_id = ? ORDER BY client_id, key_hash')
    .bind(workspace)
    .all<Json>()
  return results
}
