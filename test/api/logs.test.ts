import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { refused, said, unauthorized, uuid } from '../support/answers.ts'
import { asAdmin, Bank, call, json, lines, newClient, tokenOf, type Json } from '../support/api.ts'
import { logged } from '../support/log.ts'

const count = (value: unknown) => Number.isInteger(value) && Number(value) >= 0

const { events, lines: logLines, clear } = logged()

/** What one request writes. */
async function logOf(request: () => Promise<Response>): Promise<Json> {
  clear()
  await (await request()).arrayBuffer()
  expect(logLines()).toHaveLength(1)
  const [line = {}] = events('request')
  return line
}

describe('a request', () => {
  it('is one line: whose it was, how it ended, what it cost', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const headers = bank.headers()
    const transactionId = String(headers['transactionId'])
    const requests: [string, RequestInit, Json][] = [
      [
        '/groups',
        {
          ...json('POST', { groupName: 'owls' }),
          headers: { ...headers, 'content-type': 'application/json' },
        },
        { status: 200, method: 'POST' },
      ],
      [
        '/groups',
        { headers },
        { status: 200, method: 'GET', route: '/groups/v3/groups', workspace: bank.workspace },
      ],
      [`/groups/${group}`, { headers }, { status: 200, route: '/groups/v3/groups/:groupId' }],
      ['/groups/x', { headers }, { status: 400 }],
      ['/nowhere', { headers }, { status: 400 }],
      ['/groups', { headers: { transactionId } }, { status: 401 }],
    ]
    for (const [path, init, expected] of requests) {
      const line = await logOf(() => call(`/groups/v3${path}`, init))
      expect(line).toMatchObject({ event: 'request', transactionId, ...expected })
      for (const figure of ['ms', 'rowsRead', 'rowsWritten'])
        expect(count(line[figure]), `${path} ${figure}`).toBe(true)
    }
  })

  it('shows the rows that the database read and wrote for it', async () => {
    const bank = await Bank.open()
    expect(
      (await logOf(() => bank.send('POST', '/groups', { groupName: 'x' })))['rowsWritten'],
    ).toBeGreaterThanOrEqual(1)
    const listing = await logOf(() => bank.call('GET', '/groups'))
    expect(listing['rowsRead']).toBeGreaterThanOrEqual(1)
    expect(listing['rowsWritten']).toBe(0)
  })

  it('needs no query to know its caller', async () => {
    const bank = await Bank.open()
    for (const headers of [bank.headers(), { ...bank.headers(), authorization: 'Bearer x' }])
      expect(await logOf(() => call('/groups/v3/nowhere', { headers }))).toMatchObject({
        rowsRead: 0,
        rowsWritten: 0,
      })
  })

  it('gets an id of its own where it brings no valid one', async () => {
    for (const transactionId of [undefined, 'x"}\t{"event":"forged"', '__proto__'])
      for (const path of ['/health', '/nowhere', '/groups/v3/groups']) {
        const line = await logOf(() =>
          call(path, { headers: transactionId === undefined ? {} : { transactionId } }),
        )
        expect(line['transactionId']).toMatch(uuid)
      }
  })
})

describe('the log of a whole flow', () => {
  it('is JSON, and holds no secret, token or participant', async () => {
    const client = await newClient()
    const token = await tokenOf(client)
    const { access_token: other } = await (
      await call('/oauth/token', {
        method: 'POST',
        body: 'grant_type=client_credentials',
        headers: {
          authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
      })
    ).json<Json>()
    await call(
      '/oauth/token',
      json('POST', {
        grant_type: 'client_credentials',
        client_id: client.id,
        client_secret: `${client.secret}wrong`,
      }),
    )
    await call('/oauth/clients', asAdmin())
    await call(`/oauth/clients?after=${client.secret}`, {
      headers: { authorization: `Bearer ${client.secret}` },
    })

    const bank = await Bank.open()
    const group = await bank.group()
    await bank.apply(group, 'ADD', 'ParticipantId\nparticipant-77\nparticipant-78,bad\n')
    await bank.apply(group, 'REPLACE', 'participant-79\n')
    await bank.call('GET', '/groups', { headers: { authorization: `Bearer ${token}x` } })
    await bank.call('POST', '/groups', {
      body: `{"groupName":"${token}`,
      headers: { 'content-type': 'application/json' },
    })
    await bank.call('DELETE', `/groups/${group}`)

    expect(events('request').length).toBeGreaterThan(12)
    expect(events('job-step').length).toBeGreaterThan(2)
    const { d: signingKey = '' } = JSON.parse(env.SIGNING_KEY) as { d?: string }
    const secrets = [
      client.secret,
      token,
      String(other),
      bank.token,
      env.ADMIN_TOKEN,
      signingKey,
      btoa(`${client.id}:${client.secret}`),
    ]
    for (const secret of [
      ...secrets,
      ...secrets.slice(1, 4).map((jwt) => jwt.split('.')[2] ?? ''),
      'Bearer ',
      'Basic ',
      'participant-7',
    ]) {
      expect(secret.length).toBeGreaterThan(5)
      for (const line of logLines()) expect(line).not.toContain(secret)
    }
  })
})

describe('the log of a job', () => {
  it('has a line for each step and none for a row', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    clear()
    const good = Array.from({ length: 5000 }, (_, i) => `p${i}`)
    const job = await bank.apply(group, 'ADD', lines(good.flatMap((id) => [id, `${id},bad`])))
    expect(job).toMatchObject({ addedCount: 5000, failedRecordsCount: 5000 })

    const polls = events('request').filter(({ route }) => route === '/groups/v3/jobs/:jobId')
    expect(logLines().length - polls.length).toBeLessThan(30)
    const steps = events('job-step')
    expect(steps.length).toBeGreaterThan(0)
    for (const step of steps) {
      expect(step).toMatchObject({
        jobId: job['jobId'],
        workspace: bank.workspace,
        status: expect.stringMatching(/./),
      })
      expect(step['ms']).toBeGreaterThanOrEqual(0)
      for (const figure of ['rowsRead', 'rowsWritten'])
        expect(count(step[figure]), figure).toBe(true)
    }
    const rowsWritten = steps.reduce((sum, step) => sum + Number(step['rowsWritten']), 0)
    // Two for a member, one for a problem, and a handful for the job itself.
    expect(rowsWritten).toBeGreaterThanOrEqual(15_000)
    expect(rowsWritten).toBeLessThan(15_100)
  })
})

describe('a bug', () => {
  const without = async (table: string, act: () => Promise<void>) => {
    await env.DB.prepare(`ALTER TABLE ${table} RENAME TO hidden`).run()
    try {
      await act()
    } finally {
      await env.DB.prepare(`ALTER TABLE hidden RENAME TO ${table}`).run()
    }
  }

  it("is reported without inner words, and logged once under the request's id", async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { jobId } = await bank.apply(group, 'ADD', 'a,b\n')
    const headers = bank.headers()
    await without('job_problems', async () => {
      clear()
      const answer = await call(`/groups/v3/jobs/${String(jobId)}/errors`, { headers })
      expect(answer.headers.get('transactionId')).toBe(headers['transactionId'])
      expect(await said(answer)).toEqual(refused('Internal server error', '2001', 500))
    })
    expect(logLines()).toHaveLength(2)
    expect(events('unhandled-error')).toHaveLength(1)
    expect(JSON.stringify(events('unhandled-error'))).toContain('no such table: job_problems')
    expect(logLines().every((line) => line.includes(String(headers['transactionId'])))).toBe(true)
    expect(events('request')).toMatchObject([{ status: 500 }])
    expect(await said(call('/groups/v3/groups'))).toEqual(unauthorized)
  })

  it('in making a client leaks its secret to nobody, hashed or not', async () => {
    await without('clients', async () => {
      const answer = await call(
        '/oauth/clients',
        asAdmin(json('POST', { workspace_id: 9, name: 'x', scopes: ['groups:read'] })),
      )
      expect(await said(answer)).toEqual({
        status: 500,
        error: 'server_error',
        error_description: 'Internal server error',
      })
    })
    expect(events('unhandled-error')).toHaveLength(1)
    expect(logLines().join('\n')).not.toMatch(/\b[\w-]{43}\b/) // 256 bits in base64url
  })
})
