import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { groupsMost, membershipsMost } from '../../src/membership/lookup.ts'
import { attemptsMost } from '../../src/webhooks/history.ts'
import { refused, said } from '../support/answers.ts'
import { Bank, call, json, type Json } from '../support/api.ts'
import { teamIs } from '../support/audiences.ts'
import { deliveriesOf, hook, openedHooks, tried, tryOut } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

/** Writes this many groups, of which `ann` is in the last so many. */
async function filled(workspace: number, count: number, ofAnn: number): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
       INSERT INTO experience_groups
         (id, workspace_id, name, type, platform, created_at, updated_at, revision)
       SELECT printf('00000000-0000-4000-8000-%012d', i), ?1, printf('group %06d', i), '', '', 1, 1, 1
       FROM n`,
    ).bind(workspace, count),
    env.DB.prepare(
      `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
       SELECT workspace_id, 'ann', key, 1, 1 FROM experience_groups
       WHERE workspace_id = ?1 ORDER BY key DESC LIMIT ?2`,
    ).bind(workspace, ofAnn),
  ])
}

const flagsOf = async (bank: Bank) => {
  const body = json('POST', { context: { targetingKey: 'ann' } })
  const headers = { ...(body.headers as Record<string, string>), ...bank.headers() }
  const answer = await call('/ofrep/v1/evaluate/flags', { ...body, headers })
  return (await answer.json<{ flags: { key: string; value: boolean }[] }>()).flags
}

describe('the flags of all groups', () => {
  it('are of a thousand groups, first those that the participant is in', async () => {
    const bank = await Bank.open()
    await filled(bank.workspace, groupsMost + 500, 10)
    const flags = await flagsOf(bank)
    expect(flags).toHaveLength(2 * groupsMost)
    expect(flags.filter(({ value }) => value)).toHaveLength(20)
    expect(flags).toContainEqual(
      expect.objectContaining({ key: `group 00${groupsMost + 500}`, value: true }),
    )
  })

  it('are all of them where there are no more', async () => {
    const bank = await Bank.open()
    await filled(bank.workspace, 30, 5)
    expect(await flagsOf(bank)).toHaveLength(60)
  })
})

describe('the groups of a participant', () => {
  it('come in pages, and all of them by default', async () => {
    const bank = await Bank.open()
    await filled(bank.workspace, 30, 25)
    const path = '/participants/ann/groups'
    const all = await bank.get(path)
    expect(all['groups']).toHaveLength(25)
    expect(all).not.toHaveProperty('next')
    const found: unknown[] = []
    for (let after: unknown = ''; after !== undefined;) {
      const page = await bank.get(`${path}?size=10&after=${String(after)}`)
      expect((page['groups'] as unknown[]).length).toBeLessThanOrEqual(10)
      found.push(...(page['groups'] as unknown[])) // a list, or the line above fails
      after = page['next']
    }
    expect(found).toEqual(all['groups'])
  })

  it('are a thousand where nothing else is asked for', async () => {
    const bank = await Bank.open()
    await filled(bank.workspace, groupsMost + 5, groupsMost + 5)
    const { groups, next } = await bank.get('/participants/ann/groups')
    expect(groups).toHaveLength(groupsMost)
    expect(next).toBe(`00000000-0000-4000-8000-00000000${groupsMost}`)
  })

  it('of many participants are refused where they are too many together', async () => {
    const bank = await Bank.open()
    await filled(bank.workspace, 150, 150)
    const participantIds = Array.from({ length: 1000 }, () => 'ann')
    expect(150 * 1000).toBeGreaterThan(membershipsMost)
    expect(await said(bank.send('POST', '/memberships', { participantIds }))).toEqual(
      refused('participantIds are in more than 100000 groups together: ask for fewer at a time'),
    )
    const fewer = await bank.send('POST', '/memberships', {
      participantIds: participantIds.slice(0, 600),
    })
    expect(fewer.status).toBe(200)
  })
})

/** All of a bare list, page by page. */
async function paged(team: Team, path: string, size: number): Promise<Json[]> {
  const found: Json[] = []
  for (let after = ''; ;) {
    const page = await team.get<Json[]>(`${path}?size=${size}&after=${encodeURIComponent(after)}`)
    expect(page.length).toBeLessThanOrEqual(size)
    found.push(...page)
    if (page.length < size) return found
    after = String(page.at(-1)?.['id'])
  }
}

describe('a bare list', () => {
  it('of audiences comes in pages, and whole by default', async () => {
    const team = await Team.open()
    for (const id of ['e', 'd', 'c', 'b', 'a']) await team.audience(`reds-${id}`, teamIs('red'))
    const all = await team.get<Json[]>('/audiences')
    expect(all.map(({ id }) => id)).toEqual(['reds-e', 'reds-d', 'reds-c', 'reds-b', 'reds-a'])
    expect(await paged(team, '/audiences', 2)).toEqual(all)
  })

  it('of webhooks comes in pages, and whole by default', async () => {
    const { team } = await openedHooks()
    for (let i = 0; i < 5; i++) await hook(team)
    const all = await team.get<Json[]>('/webhooks')
    expect(all).toHaveLength(5)
    expect(await paged(team, '/webhooks', 2)).toEqual(all)
  })
})

describe('a page after something that is deleted', () => {
  it('is refused, and does not look like the last one', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    await hook(team)
    await team.audience('reds', teamIs('red'))
    await team.audience('blues', teamIs('blue'))
    for (const [list, id] of [
      ['webhooks', one.id],
      ['audiences', 'reds'],
    ]) {
      expect(await team.get(`/${list}?after=${id}`)).toHaveLength(1)
      expect((await team.call('DELETE', `/${list}/${id}`)).status).toBe(204)
      expect((await team.call('GET', `/${list}?after=${id}`)).status).toBe(404)
    }
  })
})

describe('the attempts of a delivery', () => {
  it('are the last twenty, however often it was retried', async () => {
    const { team } = await openedHooks()
    const one = await hook(team)
    await tryOut(team, one)
    await tried(team, one, 1)
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
       INSERT INTO delivery_attempts
       SELECT webhook_key, event_key, n.i, 1, 500, 1, '' FROM delivery_attempts, n
       WHERE webhook_key = (SELECT key FROM webhooks WHERE id = ?)`,
    )
      .bind(one.id)
      .run()
    await env.DB.prepare(
      `UPDATE deliveries SET attempts = 200
       WHERE webhook_key = (SELECT key FROM webhooks WHERE id = ?)`,
    )
      .bind(one.id)
      .run()
    const { deliveries } = await deliveriesOf(team, one)
    const [attempts] = deliveries.map((delivery) => delivery.attempts.map(({ attempt }) => attempt))
    expect(attempts).toEqual(Array.from({ length: attemptsMost }, (_, i) => 181 + i))
  })
})
