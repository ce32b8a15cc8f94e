import { sql } from 'drizzle-orm'
import type { Resources } from '../resources.ts'
import { livesHere } from '../db/fenced.ts'

const secretsPerInvocation = 1000

/** Clears former secrets of webhooks, which no longer sign. */
export async function sweepWebhookSecrets({ database, now }: Resources): Promise<void> {
  await database.run(sql`
    UPDATE webhooks SET former_secret = NULL, former_until = NULL WHERE key IN (
      SELECT key FROM webhooks WHERE former_secret IS NOT NULL AND former_until <= ${now()}
      LIMIT ${secretsPerInvocation})
    AND ${livesHere()}`)
}
