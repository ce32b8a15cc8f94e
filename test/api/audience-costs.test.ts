import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Env } from '../../src/resources.ts'
import { said } from '../support/answers.ts'
import { json, type Json } from '../support/api.ts'
import { crowd, people } from '../support/audiences.ts'
import { callWith } from '../support/door.ts'
import { Team } from '../support/identity.ts'

const plain = { operator: 'equals', attribute: 'team', value: 'red' }
const stars = { operator: 'matches', attribute: 'team', value: '?*a'.repeat(1365) }
const using = (audience: string) => ({ operator: 'in_audience', audience })

/** Asks with other vars. */
const asking =
  (team: Team, vars: Partial<Env>) =>
  (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const init: RequestInit = body === undefined ? { method } : json(method, body)
    return callWith(vars, `/platform/workspaces/${team.workspace}${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${team.token}`,
        ...(init.headers as Record<string, string>),
        ...headers,
      },
    })
  }

const users = 3000
let team: Team
beforeAll(async () => {
  team = await Team.open()
  await crowd(team.workspace, people('user', users))
  await team.audience('reds', plain)
  await team.audience('blues', { ...plain, value: 'blue' })
  await team.audience('both', { operator: 'or', expressions: [using('reds'), using('blues')] })
})

describe('a rule that is too dear', () => {
  const refusal = (pointer: string) => ({
    status: 422,
    errors: [
      { pointer, message: expect.stringMatching(/ costs \d+ for a value, beyond 1500$/) as string },
    ],
  })

  it('is refused wherever it is sent, with the dearest node', async () => {
    const rule = { operator: 'and', expressions: [plain, { operator: 'not', expression: stars }] }
    const pointer = '/rule/expressions/1/expression'
    expect(await said(team.send('POST', '/audiences', { name: 'x', rule }))).toEqual(
      refusal(pointer),
    )
    expect(await said(team.send('PUT', '/audiences/reds', { name: 'x', rule }))).toEqual(
      refusal(pointer),
    )
    expect(await said(team.send('POST', '/audiences/preview', { rule }))).toEqual(refusal(pointer))
    expect(await team.get('/audiences/reds')).toMatchObject({
      rule: plain,
      cost: 230,
      cost_max: 100_000,
    })
  })

  it('answers no question once the budget is smaller, and says why', async () => {
    const ask = asking(team, { RULE_COST_MAX: 300 })
    for (const [method, path] of [
      ['GET', '/audiences/both/count'],
      ['GET', '/audiences/both/users'],
      ['GET', '/audiences/both/users/user-00001'],
      ['GET', '/audiences/overlap?a=both&b=reds'],
      ['POST', '/audiences/both/sync'],
    ] as const)
      expect(await said(ask(method, path)), path).toEqual({
        status: 422,
        errors: [
          {
            pointer: '/rule/expressions/0',
            message: '/rule/expressions/0 is the dearest part of a rule that costs 460, beyond 300',
          },
        ],
      })
    expect(
      (await ask('GET', '/audiences/both/users', undefined, { accept: 'text/csv' })).status,
    ).toBe(422)
    expect(await said(ask('GET', '/audiences/both'))).toMatchObject({
      status: 200,
      cost: 460,
      cost_max: 300,
    })
    expect(await said(ask('GET', '/audiences/reds/count'))).toMatchObject({
      status: 200,
      count: users,
    })
  })

  it('is refused with another in an overlap', async () => {
    expect(
      await said(asking(team, { RULE_COST_MAX: 500 })('GET', '/audiences/overlap?a=both&b=reds')),
    ).toEqual({ status: 422, errors: [{ message: 'b costs, together with a, more than 500' }] })
  })
})

describe('a question that has no time', () => {
  const ask = (method: string, path: string, body?: unknown) =>
    asking(team, { QUESTION_SECONDS: 0 })(method, path, body)
  const within = (next: unknown) => String(next).replace(/^.*(?=\/audiences\/)/, '')

  it('counts so far, and goes on to the exact count', async () => {
    for (const [method, path, body] of [
      ['GET', '/audiences/reds/count', undefined],
      ['POST', '/audiences/preview', { rule: plain }],
    ] as const) {
      let scanned = 0
      let place: string = path
      for (let asked = 0; ; asked++) {
        const answer = await ask(method, place, body)
        const shown = await answer.json<Json>()
        if (answer.status === 200) {
          expect(asked).toBeGreaterThan(1)
          expect(shown).toMatchObject({ count: users, cost: 230 })
          if (body !== undefined) expect(shown['sample']).toEqual(people('user', 10))
          break
        }
        expect(answer.status).toBe(202)
        expect(answer.headers.get('location')).toBe(shown['next'])
        expect(shown['count']).toBe(shown['scanned'])
        expect(shown['scanned']).toBeGreaterThan(scanned)
        scanned = Number(shown['scanned'])
        place = within(shown['next'])
      }
    }
  })

  it('names the users of the workspace where they are counted', async () => {
    await env.DB.prepare(
      `INSERT INTO workspaces (workspace_id, users) VALUES (?1, ?2)
        ON CONFLICT DO UPDATE SET users = excluded.users`,
    )
      .bind(team.workspace, users)
      .run()
    expect(await said(ask('GET', '/audiences/reds/count'))).toMatchObject({ status: 202, users })
    const overlap = await ask('GET', '/audiences/overlap?a=reds&b=blues')
    expect(overlap.headers.get('retry-after')).toBe('60')
    expect(await said(overlap)).toEqual({
      status: 503,
      errors: [
        { message: expect.stringMatching(/^There was time for \d+ of 3000 users$/) as string },
      ],
    })
  })

  it('lists the users so far, and the next page goes on', async () => {
    const found: string[] = []
    for (let after: string | null = ''; after !== null;) {
      const page: { users: string[]; next: string | null } = await (
        await ask('GET', `/audiences/reds/users?size=10000&after=${after}`)
      ).json()
      found.push(...page.users)
      after = page.next
    }
    expect(found).toEqual(people('user', users))
  })

  it('goes on with nothing but what a count of the same rule gave', async () => {
    const { next } = await said(ask('GET', '/audiences/reds/count'))
    const token = String(next).replace(/^.*continue=/, '')
    const other = { status: 422, errors: [{ message: 'continue is of another rule: begin again' }] }
    const none = { status: 422, errors: [{ message: 'continue is not what a count has given' }] }
    const count = (id: string, token: string) =>
      said(ask('GET', `/audiences/${id}/count?continue=${token}`))
    expect(await count('blues', token)).toEqual(other)
    const elsewhere = await Team.open()
    await elsewhere.audience('reds', plain)
    expect(await said(elsewhere.call('GET', `/audiences/reds/count?continue=${token}`))).toEqual(
      other,
    )
    const forged = (change: (parts: unknown[]) => unknown) =>
      Buffer.from(
        JSON.stringify(change(JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[])),
      ).toString('base64url')
    for (const bad of [
      'x',
      '%00',
      token.slice(1),
      forged(() => null),
      forged(([a, b, c]) => [a, b, c]),
      forged(([a, , c, d, e]) => [a, 5, c, d, e]),
      forged(([a, b, , d, e]) => [a, b, -1, d, e]),
      forged(([a, b, c, , e]) => [a, b, c, Number(c) + 1, e]),
      forged(([a, b, c, d]) => [a, b, c, d, [5]]),
    ])
      expect(await count('reds', bad), bad).toEqual(none)
    expect((await count('reds', 'x'.repeat(8001)))['status']).toBe(422)
    expect(await count('reds', token)).toMatchObject({ status: 202 })
  })
})

describe('questions about the users of audiences', () => {
  it('have a limit of their own for a workspace, in front of all else', async () => {
    const busy = await Team.open()
    await busy.audience('reds', plain)
    const colleague = await Team.open(undefined, busy.workspace)
    const left = 60_000 - (Date.now() % 60_000)
    if (left < 8000) await scheduler.wait(left)
    const doors: [method: string, path: string, body?: unknown][] = [
      ['POST', '/audiences/preview', { rule: plain }],
      ['GET', '/audiences/overlap?a=reds&b=reds'],
      ['GET', '/audiences/reds/count'],
      ['GET', '/audiences/reds/users'],
      ['GET', '/audiences/reds/users/ann'],
    ]
    const statuses: number[] = []
    for (const [method, path, body] of doors)
      statuses.push((await asking(busy, { RATE_LIMITED: true })(method, path, body)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 404])
    for (const [method, path, body] of doors) {
      const answer = await asking(colleague, { RATE_LIMITED: true })(method, path, body)
      expect(answer.headers.get('retry-after')).toBe('60')
      expect(await said(answer), path).toEqual({
        status: 429,
        errors: [{ message: 'No more than 120 requests in 60 seconds' }],
      })
    }
    expect((await asking(busy, { RATE_LIMITED: true })('GET', '/audiences/reds')).status).toBe(200)
    expect(
      (await asking(team, { RATE_LIMITED: true })('GET', '/audiences/reds/count')).status,
    ).toBe(200)
  })
})
