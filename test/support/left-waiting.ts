import { env } from 'cloudflare:workers'
import { afterAll } from 'vitest'

/** Makes what a file leaves waiting older, as the jobs of the next file would let it go first. */
export function ageWhatIsLeft(): void {
  afterAll(async () => {
    const age = (table: string) =>
      env.DB.prepare(
        `UPDATE ${table} SET updated_at = updated_at - 60000
          WHERE workspace_id NOT IN (SELECT workspace_id FROM fenced) AND ended_at IS NULL AND state = 'waiting' AND updated_at > ?`,
      ).bind(Date.now() - 60_000)
    await env.DB.batch(['jobs', 'recompute_runs'].map(age))
  })
}
