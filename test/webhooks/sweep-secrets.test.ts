import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { sweepWebhookSecrets } from '../../src/webhooks/sweep-secrets.ts'
import { said } from '../support/answers.ts'
import { keeping, tickEverywhere } from '../support/bindings.ts'
import { homeDb, homeResources } from '../support/databases.ts'
import { Team } from '../support/identity.ts'
import { plansOf } from '../support/plans.ts'
import { emptyTables, everyRow } from '../support/store.ts'

const url = 'https://hooks.example.com/in'

/** A webhook whose secret was replaced; the former one signs for so many milliseconds more. */
async function rotated(team: Team, left: number): Promise<{ id: string; former: string }> {
  const { id, secret } = await said(team.send('POST', '/webhooks', { url }))
  await team.call('POST', `/webhooks/${String(id)}/rotate`)
  const until = homeDb.prepare('UPDATE webhooks SET former_until = ? WHERE id = ?')
  await until.bind(Date.now() + left, id).run()
  return { id: String(id), former: String(secret) }
}

const untilOf = async (team: Team, id: string) =>
  (await team.get(`/webhooks/${id}`))['former_secret_until']

const holds = async (secret: string) => [...(await everyRow())].join('\n').includes(secret)

beforeEach(emptyTables)

describe('the former secret of a webhook', () => {
  it.each(['*/5 * * * *', '0 4 * * *'])('is in no row once it signs no more: %s', async (cron) => {
    const team = await Team.open()
    const [over, good] = [await rotated(team, -1), await rotated(team, 60_000)]
    const before = await team.get(`/webhooks/${over.id}`)
    expect(await Promise.all([over, good].map(({ former }) => holds(former)))).toEqual([true, true])
    await tickEverywhere(cron, keeping().bound)
    expect(await Promise.all([over, good].map(({ former }) => holds(former)))).toEqual([
      false,
      true,
    ])
    expect(await team.get(`/webhooks/${over.id}`)).toEqual({ ...before, former_secret_until: null })
    expect(await untilOf(team, good.id)).toEqual(expect.any(String))
  })

  it('goes at once where the next is replaced too', async () => {
    const team = await Team.open()
    const { id, former } = await rotated(team, 60_000)
    await team.call('POST', `/webhooks/${id}/rotate`)
    expect(await holds(former)).toBe(false)
  })

  it('goes with the webhook', async () => {
    const team = await Team.open()
    const { id, former } = await rotated(team, 60_000)
    await team.call('DELETE', `/webhooks/${id}`)
    expect(await holds(former)).toBe(false)
  })

  it('is looked for among former ones alone, a thousand at a time', async () => {
    const team = await Team.open()
    const { id } = await rotated(team, -1)
    const columns = `workspace_id, url, description, secret, created_on, created_by,
      last_modified_on, last_modified_by`
    await homeDb
      .prepare(
        `INSERT INTO webhooks (id, former_secret, former_until, ${columns})
       SELECT value, iif(value < 2000, 'old', NULL), iif(value < 2000, 1, NULL), ${columns}
       FROM webhooks, json_each(?) WHERE webhooks.id = ?`,
      )
      .bind(JSON.stringify(Array.from({ length: 4000 }, (_, i) => i)), id)
      .run()
    const res = homeResources(env)
    const left = () =>
      homeDb
        .prepare('SELECT count(*) AS n FROM webhooks WHERE former_secret IS NOT NULL')
        .first('n')
    await sweepWebhookSecrets(res)
    expect(await left()).toBe(1001)
    expect(res.meter.rowsRead).toBeLessThanOrEqual(5 * 1000 + 1)
    for (let times = 0; times < 2; times++) await sweepWebhookSecrets(homeResources(env))
    expect(await left()).toBe(0)
    const idle = homeResources(env)
    await sweepWebhookSecrets(idle)
    expect(idle.meter.rowsRead).toBeLessThan(10)
    expect(idle.meter.rowsWritten).toBe(0)
    const [plan] = await plansOf((db) =>
      sweepWebhookSecrets({ ...homeResources(env), database: db }),
    )
    expect(plan?.plan.join()).toMatch(/webhooks_by_former/)
  })
})
