import { homeDb } from '../support/databases.ts'

export const day = 86_400_000
export const now = Date.UTC(2027, 6, 1)

/** Writes events with ages, workspaces, deliveries and attempts, keys in this order. */
export async function happened(
  past: { age: number; workspace: number; webhooks?: number; attempts?: number }[],
): Promise<void> {
  const rows = JSON.stringify(
    past.map(({ age, workspace, webhooks = 1, attempts = 1 }) => [
      workspace,
      now - age,
      webhooks,
      attempts,
      `evt_${crypto.randomUUID()}`,
    ]),
  )
  const to = (
    count: number,
  ) => `json_each(?1) AS r CROSS JOIN events AS e ON e.workspace_id = r.value ->> 0 AND e.id = r.value ->> 4
    CROSS JOIN n AS w ON w.i <= r.value ->> 2 ${count === 2 ? 'CROSS JOIN n AS a ON a.i <= r.value ->> 3' : ''}`
  const n = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)'
  await homeDb.batch(
    [
      `INSERT INTO events (workspace_id, id, type, at, data)
        SELECT value ->> 0, value ->> 4, 'group.deleted', value ->> 1, '{}' FROM json_each(?1)`,
      `${n} INSERT INTO deliveries (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
        SELECT w.i, e.key, e.workspace_id, 'delivered', 1, 1, NULL FROM ${to(1)}`,
      `${n} INSERT INTO delivery_attempts (webhook_key, event_key, attempt, at, status, duration, answer)
        SELECT w.i, e.key, a.i, e.at, 204, 1, '' FROM ${to(2)}`,
    ].map((query) => homeDb.prepare(query).bind(rows)),
  )
}
