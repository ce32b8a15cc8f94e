import { describe, expect, it } from 'vitest'
import config from '../../wrangler.toml?raw'
import { said } from '../support/answers.ts'
import { Bank, json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { Team } from '../support/identity.ts'

const rateLimited = { RATE_LIMITED: true }
const sentence = 'No more than 6000 requests in 60 seconds'

/** Sends requests until one is refused: the limit here is twenty a minute. */
async function untilShut(request: () => Promise<Response>): Promise<Response> {
  for (let i = 0; i < 50; i++) {
    const answer = await request()
    if (answer.status === 429) return answer
  }
  throw new Error('fifty requests were let in')
}

function comesBack(answer: Response) {
  expect(answer.headers.get('retry-after')).toBe('60')
  expect(answer.headers.get('ratelimit-policy')).toBe('"client";q=6000;w=60')
  expect(answer.headers.get('ratelimit')).toBe('"client";r=0;t=60')
}

describe('a client that sends too many requests', () => {
  it('is refused with a time to come back, in each dialect', async () => {
    const bank = await Bank.open()
    const refused = await untilShut(() =>
      callWith(rateLimited, '/groups/v3/groups', { headers: bank.headers() }),
    )
    comesBack(refused)
    expect(await said(refused)).toEqual({ status: 429, code: '2001', message: sentence })

    const ofrep = await callWith(rateLimited, '/ofrep/v1/evaluate/flags/owls', {
      ...json('POST', { context: { targetingKey: 'ann' } }),
      headers: { ...bank.headers(), 'content-type': 'application/json' },
    })
    comesBack(ofrep)
    expect(await said(ofrep)).toEqual({
      status: 429,
      key: 'owls',
      errorCode: 'GENERAL',
      errorDetails: sentence,
    })

    const team = await Team.open()
    const platform = await untilShut(() =>
      callWith(rateLimited, `/platform/workspaces/${team.workspace}/groups`, {
        headers: { authorization: `Bearer ${team.token}` },
      }),
    )
    comesBack(platform)
    expect(await said(platform)).toEqual({ status: 429, errors: [{ message: sentence }] })
  })

  it('keeps out no other client', async () => {
    const [busy, calm] = [await Bank.open(), await Bank.open()]
    await untilShut(() => callWith(rateLimited, '/groups/v3/groups', { headers: busy.headers() }))
    expect(
      (await callWith(rateLimited, '/groups/v3/groups', { headers: calm.headers() })).status,
    ).toBe(200)
  })

  it('is let in where nothing is limited', async () => {
    const bank = await Bank.open()
    for (let i = 0; i < 30; i++) expect((await bank.call('GET', '/groups')).status).toBe(200)
  })
})

describe('wrangler.toml', () => {
  it('states the limit of its binding also for the refusal', () => {
    const field = (name: string) => new RegExp(`^${name} = (\\d+)`, 'm').exec(config)?.[1]
    expect(/^simple = (.*)$/m.exec(config)?.[1]).toBe(
      `{ limit = ${field('RATE_LIMIT')}, period = ${field('RATE_PERIOD')} }`,
    )
  })
})
