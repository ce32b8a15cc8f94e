import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { declined, refused, said } from '../support/answers.ts'
import {
  asAdmin,
  Bank,
  call,
  eventually,
  json,
  newClient,
  tokenOf,
  type Json,
} from '../support/api.ts'
import { Lab } from '../support/experiments.ts'
import { hookScopes } from '../support/hooks.ts'
import { household, Team } from '../support/identity.ts'
import { answered, keysOf } from '../support/keys.ts'
import { allWritten, countOfReports } from '../support/taken.ts'

afterEach(() => void vi.useRealTimers())

const reused = 'The Idempotency-Key was sent with another request before'

const create = (bank: Bank, name: string, key: string, path = '/groups') =>
  bank.call('POST', path, {
    body: JSON.stringify({ groupName: name }),
    headers: { 'idempotency-key': key },
  })

const groupsOf = async (bank: Bank) => (await bank.get('/groups'))['content'] as Json[]

describe('POST /groups with an Idempotency-Key', () => {
  it('makes one group, and answers again as it has', async () => {
    const bank = await Bank.open()
    const first = await answered(create(bank, 'owls', '"one"'))
    expect(first).toMatchObject({ status: 200, replayed: false })
    expect(await answered(create(bank, 'owls', '"one"'))).toEqual({ ...first, replayed: true })
    expect(await groupsOf(bank)).toHaveLength(1)
  })

  it('answers as it has also when the group is another by now', async () => {
    const bank = await Bank.open()
    const first = await answered(create(bank, 'owls', 'one'))
    const { groupId } = JSON.parse(first.body) as Json
    await bank.send('PUT', `/groups/${String(groupId)}`, { groupName: 'bats' })
    expect(await answered(create(bank, 'owls', 'one'))).toEqual({ ...first, replayed: true })
    await bank.call('DELETE', `/groups/${String(groupId)}`)
    expect(await answered(create(bank, 'owls', 'one'))).toEqual({ ...first, replayed: true })
  })

  it("repeats this request's transactionId, not that of the first", async () => {
    const bank = await Bank.open()
    await create(bank, 'owls', 'one')
    const transactionId = crypto.randomUUID()
    const headers = { 'idempotency-key': 'one', transactionId }
    const answer = await bank.call('POST', '/groups', { body: '{"groupName":"owls"}', headers })
    expect([answer.status, answer.headers.get('transactionId')]).toEqual([200, transactionId])
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('content-type')).toBe('application/json')
  })

  it.each([
    ['another body', 'bats', '/groups'],
    ['another query', 'owls', '/groups?a=1'],
  ])('refuses %s under the key, which makes nothing', async (_, name, path) => {
    const bank = await Bank.open()
    await create(bank, 'owls', 'one')
    expect(await said(create(bank, name, 'one', path))).toEqual(refused(reused))
    expect(await groupsOf(bank)).toHaveLength(1)
  })

  it('takes a query in another order, and a slash at the end, for the same', async () => {
    const bank = await Bank.open()
    const first = await answered(create(bank, 'owls', 'one', '/groups?a=1&b=2'))
    const again = await answered(create(bank, 'owls', 'one', '/groups/?b=2&a=1'))
    expect(again).toEqual({ ...first, replayed: true })
  })

  it('keeps the keys of clients and of workspaces apart', async () => {
    const bank = await Bank.open()
    const others = [await Bank.open(undefined, bank.workspace), await Bank.open()]
    for (const [i, one] of [bank, ...others].entries())
      expect(await answered(create(one, `owls ${i}`, 'one'))).toMatchObject({
        status: 200,
        replayed: false,
      })
    expect(await groupsOf(bank)).toHaveLength(2)
  })

  it('leaves nothing of a refused request: the key may be sent again', async () => {
    const bank = await Bank.open()
    expect((await create(bank, '', 'one')).status).toBe(400)
    const taken = await create(bank, 'owls', 'other')
    expect(await said(create(bank, 'owls', 'one'))).toMatchObject({ code: '2004' })
    expect(await keysOf(bank.workspace)).toHaveLength(1)
    const { groupId } = await taken.json<Json>()
    await bank.call('DELETE', `/groups/${String(groupId)}`)
    expect(await answered(create(bank, 'owls', 'one'))).toMatchObject({
      status: 200,
      replayed: false,
    })
  })

  it('stores neither key nor answer in clear', async () => {
    const bank = await Bank.open()
    await create(bank, 'owls-in-clear', 'key-in-clear')
    const [row, ...more] = await keysOf(bank.workspace)
    expect(more).toEqual([])
    expect(row).toMatchObject({ answer: expect.any(String) as string })
    expect(JSON.stringify({ ...row, made: '' })).not.toMatch(/in-clear|owls/)
  })

  it('frees the key after a day, swept or not', async () => {
    const client = await newClient()
    const owls = async () => {
      const authorization = `Bearer ${await tokenOf(client)}`
      const headers = {
        authorization,
        transactionId: crypto.randomUUID(),
        'idempotency-key': 'one',
      }
      return call('/groups/v3/groups', { method: 'POST', headers, body: '{"groupName":"owls"}' })
    }
    const begun = Date.now()
    const first = await answered(owls())
    const { groupId } = JSON.parse(first.body) as Json
    vi.setSystemTime(begun + 86_390_000)
    expect(await answered(owls())).toEqual({ ...first, replayed: true })
    vi.setSystemTime(begun + 86_410_000)
    expect(await said(owls())).toMatchObject({ code: '2004' })
    const bank = await Bank.open(undefined, client.workspace)
    await bank.call('DELETE', `/groups/${String(groupId)}`)
    const second = await answered(owls())
    expect(second).toMatchObject({ status: 200, replayed: false })
    expect(await answered(owls())).toEqual({ ...second, replayed: true })
  })
})

describe('an Idempotency-Key', () => {
  const longest = 'k'.repeat(255)
  it.each([
    ['a blank', '"a b"', 'a b'],
    ['quotes', '"say \\"hi\\" \\\\"', 'say "hi" \\'],
    ['255 characters', longest, `"${longest}"`],
  ])('with %s is the same in quotes and bare', async (_, one, same) => {
    const bank = await Bank.open()
    const first = await answered(create(bank, 'owls', one))
    expect(first.status).toBe(200)
    expect(await answered(create(bank, 'owls', same))).toEqual({ ...first, replayed: true })
  })

  it.each([
    ['that is empty', ''],
    ['with nothing in its quotes', '""'],
    ['of 256 characters', `${longest}k`],
    ['of 256 characters in quotes', `"${longest}k"`],
    ['whose quotes are open', '"open'],
    ['that is two', '"a", "b"'],
    ['beyond ASCII', 'ü'],
    ['beyond ASCII in quotes', '"ü"'],
  ])('%s is refused, naming the header', async (_, key) => {
    const bank = await Bank.open()
    const problem = 'must be 1 to 255 printable characters of ASCII, quoted or not'
    expect(await said(create(bank, 'owls', key))).toEqual(refused(`Idempotency-Key ${problem}`))
    const team = await Team.open(undefined, bank.workspace)
    const headers = { 'idempotency-key': key }
    const body = JSON.stringify(household)
    expect(await said(team.call('POST', '/groups', { body, headers }))).toEqual(
      declined(422, `Idempotency-Key ${problem}`),
    )
    expect(await groupsOf(bank)).toEqual([])
  })

  it('means nothing to requests that make nothing', async () => {
    const bank = await Bank.open()
    const id = await bank.group('owls')
    const headers = { 'idempotency-key': '' }
    for (const name of ['bats', 'cats']) {
      const body = JSON.stringify({ groupName: name })
      const answer = await bank.call('PUT', `/groups/${id}`, { body, headers })
      expect((await answer.json<Json>())['groupName']).toBe(name)
    }
    expect((await bank.call('GET', '/groups', { headers })).status).toBe(200)
    expect(await keysOf(bank.workspace)).toEqual([])
  })
})

describe('an administrator', () => {
  const register = (key: string, name = 'till') =>
    call('/oauth/clients', {
      ...asAdmin(json('POST', { workspace_id: 4_000_007, name, scopes: ['groups:read'] })),
      headers: {
        authorization: `Bearer ${env.ADMIN_TOKEN}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
    })

  it('registers a client once, and is shown its secret again', async () => {
    const key = crypto.randomUUID()
    const first = await answered(register(key))
    expect(first).toMatchObject({ status: 201, replayed: false })
    const { client_id, client_secret } = JSON.parse(first.body) as Json
    expect(await answered(register(key))).toEqual({ ...first, replayed: true })
    const grant = { grant_type: 'client_credentials', client_id, client_secret }
    expect((await call('/oauth/token', json('POST', grant))).status).toBe(200)
    const rows = await keysOf(0)
    expect(JSON.stringify(rows)).not.toContain(client_secret)
    expect(await said(register(key, 'other'))).toEqual({
      status: 400,
      error: 'invalid_request',
      error_description: reused,
    })
  })
})

describe('a request that makes nothing but what is written later', () => {
  const batch = (n: number) => ({ mpid: 1, environment: 'production', user_attributes: { n } })

  it('of events is taken once, and accepted again', async () => {
    const team = await Team.open()
    const send = (body: unknown) => {
      const headers = { ...team.basic(), 'idempotency-key': 'one' }
      return call('/v2/bulkevents', { method: 'POST', body: JSON.stringify(body), headers })
    }
    const first = await answered(send([batch(1)]))
    expect(first).toMatchObject({ status: 202, body: '', replayed: false })
    await allWritten()
    const { sent } = countOfReports()
    expect(await answered(send([batch(1)]))).toEqual({ ...first, replayed: true })
    expect(countOfReports().sent).toBe(sent)
    expect(await said(send([batch(2)]))).toEqual({
      status: 400,
      errors: [{ code: 'BAD_REQUEST', message: reused }],
    })
  })

  it('of exposures is taken once, and accepted again, from browsers too', async () => {
    const lab = await Lab.open()
    await lab.running('summer')
    const exposures = [{ experiment_id: 'summer', participant_id: 'ann', variant: 'control' }]
    const send = () =>
      lab.team.call('POST', '/experiments/exposures', {
        body: JSON.stringify({ exposures }),
        headers: { 'idempotency-key': 'one', origin: 'https://shop.example' },
      })
    const first = await answered(send())
    expect(first).toMatchObject({ status: 202, replayed: false })
    const again = await send()
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(again.headers.get('access-control-expose-headers')).toContain('Idempotency-Replayed')
  })

  it('of a balance is answered as it was, also when the balance is complete', async () => {
    const lab = await Lab.open()
    await lab.running('summer', { group_id: await lab.group(['ann']) })
    const headers = { 'idempotency-key': 'one' }
    const send = () => lab.team.call('POST', '/experiments/summer/balance', { headers })
    const first = await answered(send())
    expect(first).toMatchObject({ status: 202, replayed: false })
    await eventually(
      () => lab.team.get('/experiments/summer/balance'),
      ({ status }) => status === 'complete',
    )
    expect(await answered(send())).toEqual({ ...first, replayed: true })
  })
})

describe('a lost secret', () => {
  it('is refused, with the id by which it can be rotated', async () => {
    const team = await Team.open(hookScopes)
    const send = () =>
      team.call('POST', '/webhooks', {
        body: JSON.stringify({ url: `${env.RECEIVER}/in/lost` }),
        headers: { 'idempotency-key': 'one' },
      })
    const { id } = await said(send())
    await env.DB.prepare(
      'UPDATE idempotency_keys SET answer = NULL, at = at - 5000 WHERE client_id = ?',
    )
      .bind(team.client.id)
      .run()
    const lost = 'has got its secret, but the answer that showed it is lost: rotate the secret'
    expect(await said(send())).toEqual(declined(422, `The webhook ${String(id)} ${lost}`))
    expect((await team.get<Json[]>('/webhooks')).map((hook) => hook['id'])).toEqual([id])
  })
})

describe('the answer of a request that goes on', () => {
  it('is waited for, as only it has the secret', async () => {
    const team = await Team.open(hookScopes)
    const send = () =>
      answered(
        team.call('POST', '/webhooks', {
          body: JSON.stringify({ url: `${env.RECEIVER}/in/slow` }),
          headers: { 'idempotency-key': 'one' },
        }),
      )
    const first = await send()
    const update = (set: string, value: string | null) =>
      env.DB.prepare(`UPDATE idempotency_keys SET ${set} WHERE client_id = ?2`)
        .bind(value, team.client.id)
        .run()
    const [row] = await keysOf(team.workspace)
    await update('answer = ?1', null)
    const waiting = send()
    await scheduler.wait(300)
    await update('answer = ?1', String(row?.['answer']))
    expect(await waiting).toEqual({ ...first, replayed: true })
  })
})
