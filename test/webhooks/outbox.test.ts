import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { together } from '../../src/db/connect.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { announce, enqueueAnnounced } from '../../src/webhooks/announce.ts'
import { deliverDue } from '../../src/webhooks/due.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { scene } from './scene.ts'

describe('the statements that announce', () => {
  it('write nothing in a batch whose own change does nothing', async () => {
    const { res, db, workspace, stands } = await scene()
    const change = (name: string) =>
      sql`UPDATE webhooks SET description = ${name} WHERE workspace_id = ${workspace} AND description <> ${name}`
    const deletedGroup = (group: string) =>
      announce(res, workspace, { type: 'group.deleted', data: { group_id: group } })
    const results = await together(db, [
      change('a'),
      ...deletedGroup('1'),
      change('a'),
      ...deletedGroup('2'),
      change('b'),
      ...deletedGroup('3'),
      change('b'),
      ...deletedGroup('4'),
    ])
    const events = await db.all(
      sql`SELECT data ->> 'group_id' AS "group" FROM events
        WHERE workspace_id = ${workspace} AND type = 'group.deleted' ORDER BY key`,
    )
    expect(events).toEqual([{ group: '1' }, { group: '3' }])
    expect(await stands()).toHaveLength(2)
    expect(results.flatMap(({ rows }) => rows)).toHaveLength(2)
  })

  it('survive a failed queue: the change succeeds, and the cron enqueues them', async () => {
    const { res, workspace, sent, invoke, silence, due, deliveriesEnqueued } = await scene()
    const draft = {
      name: 'owls',
      description: undefined,
      type: 'EXPERIENCE_GROUP',
      platform: 'RETAIL_BANKING',
    }
    silence(true)
    const group = await createGroup(res, workspace, draft)
    await deliverDue(res)
    silence(false)
    expect(deliveriesEnqueued).toEqual([])
    expect(await due()).toBe(true)
    await invoke()
    expect(sent.map(({ body }) => JSON.parse(body))).toMatchObject([
      { type: 'group.created', data: { group_id: group.id } },
    ])
  })
})

describe('an event for more webhooks than a queue takes at a time', () => {
  it('is enqueued for a hundred at once, by the cron for others', async () => {
    const { res, workspace, db, deliveriesEnqueued, due } = await scene()
    await db.run(sql`
      INSERT INTO webhooks (workspace_id, id, url, description, secret, created_on, created_by,
        last_modified_on, last_modified_by)
      SELECT ${workspace}, ${workspace} || value, 'https://hooks.shop.com', '', 'whsec_', 1, 't', 1, 't'
      FROM json_each(${JSON.stringify(Array.from({ length: 100 }, (_, i) => i))})`)
    await enqueueAnnounced(
      res,
      workspace,
      await together(
        db,
        announce(res, workspace, { type: 'group.deleted', data: { group_id: '1' } }, sql`true`),
      ),
    )
    expect(deliveriesEnqueued).toHaveLength(100)
    expect(await due()).toBe(true)
    await db.run(sql`DELETE FROM webhooks WHERE workspace_id = ${workspace}`)
  })
})

describe('the cron of every minute', () => {
  it('enqueues every webhook with due deliveries, unless busy, disabled or not due', async () => {
    const [workspace, now] = [4_100_000, Date.UTC(2027, 5, 1)]
    const kinds = ['due', 'busy', 'was busy', 'disabled', 'later', 'delivered', 'idle'] as const
    const rows = Array.from({ length: 700 }, (_, i) => [i, kinds[i % kinds.length]])
    const keyOf = sql`(SELECT key FROM webhooks AS w WHERE w.workspace_id = ${workspace} AND w.id = value ->> 0)`
    const { res, deliveriesEnqueued } = hazardous({}, { now: () => now })
    await together(res.directory, [
      sql`
      INSERT INTO webhooks (workspace_id, id, url, description, secret, disabled, busy_until,
        created_on, created_by, last_modified_on, last_modified_by)
      SELECT ${workspace}, value ->> 0, 'https://hooks.shop.com', '', 'whsec_',
        iif(value ->> 1 = 'disabled', 'asked', NULL),
        CASE value ->> 1 WHEN 'busy' THEN ${now + 1} WHEN 'was busy' THEN ${now} END, 1, 't', 1, 't'
          FROM json_each(${JSON.stringify(rows)})`,
      sql`
      INSERT INTO deliveries (webhook_key, event_key, workspace_id, state, attempts, tries, next_attempt_at)
      SELECT ${keyOf}, 1, ${workspace}, iif(value ->> 1 = 'delivered', 'delivered', 'pending'), 0,
        0, iif(value ->> 1 = 'later', ${now + 1}, ${now})
      FROM json_each(${JSON.stringify(rows)}) WHERE value ->> 1 <> 'idle'`,
    ])
    const wanted = await res.directory.all<{ webhook: number }>(sql`
      SELECT key AS webhook FROM webhooks WHERE workspace_id = ${workspace}
        AND id % ${kinds.length} IN (0, 2) ORDER BY key`)
    expect(wanted).toHaveLength(200)
    await deliverDue(res)
    const enqueued = deliveriesEnqueued.filter((message) => message.workspace === workspace)
    expect(enqueued).toEqual(wanted.map(({ webhook }) => ({ kind: 'deliver', workspace, webhook })))
    await homeDb.prepare('DELETE FROM webhooks WHERE workspace_id = ?').bind(workspace).run()
  })
})
