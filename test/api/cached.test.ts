import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { said } from '../support/answers.ts'
import { Bank, lines, newClient, tokenOf } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { Lab } from '../support/experiments.ts'
import { Team } from '../support/identity.ts'

const caching = { LOOKUP_CACHE_SECONDS: 60 }

/** A database whose answers to sessions are held until `arrives` lets them through. */
function answersLater(arrives: (call: string | symbol) => Promise<void>): D1Database {
  const late = (call: string | symbol, answer: unknown): unknown =>
    answer instanceof Promise
      ? answer.then((value: unknown) => arrives(call).then(() => value))
      : answer
  const wrap = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(inner, key) {
        const value: unknown = Reflect.get(inner, key)
        if (typeof value !== 'function') return value
        return (...given: unknown[]) => {
          const answer: unknown = Reflect.apply(value, inner, given)
          return key === 'bind' || key === 'prepare' ? wrap(Object(answer)) : late(key, answer)
        }
      },
    })
  return new Proxy(env.DB, {
    get: (db, key) =>
      key === 'withSession' ? (from: string) => wrap(db.withSession(from)) : Reflect.get(db, key),
  })
}

describe('a look-up that may be a minute old', () => {
  let bank: Bank
  let owls: string
  beforeAll(async () => {
    ;({ bank, group: owls } = await Bank.withGroup('owls', 'ann\n'))
  })

  const request = (
    path: string,
    init: RequestInit = {},
    vars: object = caching,
    headers = bank.headers(),
  ) =>
    callWith(vars, path, { ...init, headers: { ...headers, 'content-type': 'application/json' } })
  const post = (body: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify(body) })

  it.each([
    ['the groups of a participant', () => ['/groups/v3/participants/ann/groups', {}] as const],
    ['one in one group', () => [`/groups/v3/groups/${owls}/participants/ann`, {}] as const],
    ['many at once', () => ['/groups/v3/memberships', post({ participantIds: ['ann'] })] as const],
    [
      'a flag',
      () => [`/ofrep/v1/evaluate/flags/owls`, post({ context: { targetingKey: 'ann' } })] as const,
    ],
    [
      'all flags',
      () => ['/ofrep/v1/evaluate/flags', post({ context: { targetingKey: 'ann' } })] as const,
    ],
  ])('repeats its first answer, with its age: %s', async (_, question) => {
    await bank.apply(owls, 'REPLACE', 'ann\n')
    const [path, init] = question()
    const first = await request(path, init)
    expect(first.headers.get('age')).toBe('0')
    const content = await first.json()
    await bank.apply(owls, 'REPLACE', 'bob\n')

    const again = await request(path, init)
    expect(again.headers.get('age')).toMatch(/^\d+$/)
    expect(await again.json()).toEqual(content)
    const exact = await request(path, init, {})
    expect(exact.headers.get('age')).toBeNull()
    expect(await exact.json()).not.toEqual(content)
  })

  it('repeats the variant of a participant too', async () => {
    const lab = await Lab.open()
    const group_id = await lab.group(['ann'])
    await lab.running('checkout', { group_id })
    const path = `/platform/workspaces/${lab.team.workspace}/experiments/checkout/assignments/ann`
    const headers = { ...lab.bank.headers(), authorization: `Bearer ${lab.team.token}` }
    const ask = (vars: object) => request(path, {}, vars, headers)
    const first = await said(ask(caching))
    expect(first).toMatchObject({ reason: 'SPLIT', revision: 1 })
    await lab.bank.apply(group_id, 'REPLACE', 'bob\n')
    expect(await said(ask(caching))).toEqual(first)
    expect(await said(ask({}))).toMatchObject({ reason: 'NOT_IN_GROUP', revision: 2 })
  })

  it('is queried anew for a bookmark, and kept for others', async () => {
    const path = `/groups/v3/groups/${owls}/participants/kim`
    expect(await said(request(path))).toMatchObject({ member: false })
    await bank.apply(owls, 'ADD', 'kim\n')
    const cachedAnswer = await request(path)
    expect(cachedAnswer.headers.get('x-d1-bookmark')).toBeNull()
    expect(await cachedAnswer.json()).toMatchObject({ member: false })
    const headers = { ...bank.headers(), 'x-d1-bookmark': '00000001-00000002' }
    expect(await said(request(path, {}, caching, headers))).toMatchObject({ member: true })
    expect(await said(request(path))).toMatchObject({ member: true })
  })

  it('is queried anew once a group is deleted', async () => {
    const { bank: other, group } = await Bank.withGroup('larks', 'ann\n')
    const path = `/groups/v3/groups/${group}/participants/ann`
    const flag = '/ofrep/v1/evaluate/flags/larks'
    const context = post({ context: { targetingKey: 'ann' } })
    const answerTo = (url: string, init?: RequestInit) =>
      request(url, init, caching, other.headers())
    expect(await said(answerTo(path))).toMatchObject({ member: true })
    expect(await said(answerTo(flag, context))).toMatchObject({ value: true })
    const ours = `/groups/v3/groups/${owls}/participants/ann`
    await request(ours)
    await answerTo(`/groups/v3/groups/${group}`, { method: 'DELETE' })
    expect((await answerTo(path)).status).toBe(400)
    expect((await answerTo(flag, context)).status).toBe(404)
    expect((await request(ours)).headers.get('age')).not.toBeNull()
  })

  it('is queried anew once an experiment is deleted', async () => {
    const lab = await Lab.open()
    await lab.running('passing')
    await lab.end('passing')
    const headers = { ...lab.bank.headers(), authorization: `Bearer ${lab.team.token}` }
    const answerTo = (url: string, init?: RequestInit) => request(url, init, caching, headers)
    const experiment = `/platform/workspaces/${lab.team.workspace}/experiments/passing`
    const path = `${experiment}/assignments/ann`
    const flag = '/ofrep/v1/evaluate/flags/passing'
    const context = post({ context: { targetingKey: 'ann' } })
    expect(await said(answerTo(path))).toMatchObject({ reason: 'NOT_RUNNING' })
    expect(await said(answerTo(flag, context))).toMatchObject({ reason: 'DISABLED' })
    expect((await answerTo(experiment, { method: 'DELETE' })).status).toBe(204)
    expect((await answerTo(path)).status).toBe(404)
    await lab.group(['ann'], 'passing')
    expect(await said(answerTo(flag, context))).toMatchObject({ value: true })
  })

  it('is queried anew once a person is erased', async () => {
    const { bank: other, group } = await Bank.withGroup('kites', 'ann\nbob\n')
    const team = await Team.open(undefined, other.workspace)
    const path = `/groups/v3/groups/${group}/participants/ann`
    const answerTo = (url: string, init?: RequestInit, headers = other.headers()) =>
      request(url, init, caching, headers)
    expect(await said(answerTo(path))).toMatchObject({ member: true })
    const person = `/platform/workspaces/${other.workspace}/people/ann`
    const authorization = `Bearer ${team.token}`
    const { id } = await said(answerTo(person, { method: 'DELETE' }, { authorization }))
    await team.erased(String(id))
    expect(await said(answerTo(path))).toMatchObject({ member: false })
  })

  it('is not kept if it was under way at a deletion', async () => {
    const { bank: other, group } = await Bank.withGroup('wrens', 'ann\n')
    const path = `/groups/v3/groups/${group}/participants/ann`
    const answerTo = (vars: object, url: string, init?: RequestInit) =>
      request(url, init, { ...caching, ...vars }, other.headers())
    const read = Promise.withResolvers<void>()
    const arrives = Promise.withResolvers<void>()
    const DB = answersLater(() => {
      read.resolve()
      return arrives.promise
    })
    const answering = answerTo({ DB }, path)
    await read.promise
    await scheduler.wait(2)
    await answerTo({}, `/groups/v3/groups/${group}`, { method: 'DELETE' })
    await scheduler.wait(2)
    arrives.resolve()
    expect(await said(answering)).toMatchObject({ member: true })
    expect((await answerTo({}, path)).status).toBe(400)
  })

  it('is queried anew though the answer to the deletion was lost', async () => {
    const { bank: other, group } = await Bank.withGroup('ducks', 'ann\n')
    const path = `/groups/v3/groups/${group}/participants/ann`
    const answerTo = (vars: object, url: string, init?: RequestInit) =>
      request(url, init, { ...caching, ...vars }, other.headers())
    expect(await said(answerTo({}, path))).toMatchObject({ member: true })
    const DB = answersLater(async (call) => {
      if (call === 'batch') throw new Error('the connection is lost')
    })
    const deletion = answerTo({ DB }, `/groups/v3/groups/${group}`, { method: 'DELETE' })
    expect((await deletion).status).toBe(500)
    expect((await answerTo({}, path)).status).toBe(400)
  })

  it('is queried anew once it is older than that', async () => {
    const path = `/groups/v3/groups/${owls}/participants/ivy`
    const brief = { LOOKUP_CACHE_SECONDS: 1 }
    expect(await said(request(path, {}, brief))).toMatchObject({ member: false })
    await bank.apply(owls, 'ADD', 'ivy\n')
    expect(await said(request(path, {}, brief))).toMatchObject({ member: false })
    await scheduler.wait(1100)
    expect((await request(path)).headers.get('age')).toMatch(/^[1-9]\d*$/)
    expect(await said(request(path, {}, brief))).toMatchObject({ member: true })
  })

  it('answers each question by itself', async () => {
    await bank.apply(owls, 'REPLACE', 'gus\n')
    for (const [targetingKey, value] of [
      ['gus', true],
      ['hal', false],
    ] as const) {
      const context = post({ context: { targetingKey } })
      expect(await said(request('/ofrep/v1/evaluate/flags/owls', context))).toMatchObject({ value })
      expect(await said(request('/ofrep/v1/evaluate/flags', context))).toMatchObject({
        metadata: { targetingKey },
      })
      expect(
        await said(request('/groups/v3/memberships', post({ participantIds: [targetingKey] }))),
      ).toMatchObject({
        memberships: [{ participantId: targetingKey, groupIds: value ? [owls] : [] }],
      })
      expect(await said(request(`/groups/v3/participants/${targetingKey}/groups`))).toMatchObject({
        participantId: targetingKey,
      })
    }
  })

  it('answers each transaction by its own id', async () => {
    const path = '/groups/v3/participants/dan/groups'
    for (let i = 0; i < 2; i++) {
      const headers = bank.headers()
      expect((await request(path, {}, caching, headers)).headers.get('transactionId')).toBe(
        headers['transactionId'],
      )
    }
  })

  it('is kept from other workspaces, tokens without the scope, and the unauthenticated', async () => {
    const path = '/groups/v3/participants/eve/groups'
    await bank.apply(owls, 'ADD', lines(['eve']))
    expect(await (await request(path)).json()).toMatchObject({ groups: [{ groupId: owls }] })
    const other = await Bank.open()
    expect(await (await request(path, {}, caching, other.headers())).json()).toMatchObject({
      groups: [],
    })
    const client = await newClient(['users:read'], bank.workspace)
    expect(
      (
        await request(path, {}, caching, {
          ...bank.headers(),
          authorization: `Bearer ${await tokenOf(client)}`,
        })
      ).status,
    ).toBe(401)
    expect((await request(path, {}, caching, { transactionId: crypto.randomUUID() })).status).toBe(
      401,
    )
  })

  it('is kept under the own host name', async () => {
    const put = vi.spyOn(caches.default, 'put')
    const path = '/groups/v3/participants/jan/groups'
    await request(path)
    await request(path, {}, { ...caching, ORIGIN: 'https://groups.bank.com' })
    const keys = put.mock.calls.map(([key]) => String(key))
    put.mockRestore()
    expect(keys).toEqual([
      expect.stringMatching(/^https:\/\/coterie\.test\//),
      expect.stringMatching(/^https:\/\/groups\.bank\.com\//),
    ])
  })

  it('is kept from another installation that shares the host', async () => {
    const path = `/groups/v3/groups/${owls}/participants/lou`
    expect(await said(request(path))).toMatchObject({ member: false })
    await bank.apply(owls, 'ADD', 'lou\n')
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
    const key = { ...(await exportJWK(privateKey)), kid: 'staging' }
    // It takes the token of the first, so that only the cache tells them apart.
    const { d: _, ...former } = JSON.parse(env.SIGNING_KEY) as JWK // a JWK is what it is given as
    const staging = { SIGNING_KEY: JSON.stringify(key), PREVIOUS_KEYS: JSON.stringify([former]) }
    const theirs = await request(path, {}, { ...caching, ...staging })
    expect(await said(theirs)).toMatchObject({ member: true })
    expect(await said(request(path))).toMatchObject({ member: false })
  })

  it('is not kept where it was refused', async () => {
    const path = '/ofrep/v1/evaluate/flags/later'
    const init = post({ context: { targetingKey: 'ann' } })
    expect((await request(path, init)).status).toBe(404)
    await bank.group('later')
    expect(await said(request(path, init))).toMatchObject({
      status: 200,
      key: 'later',
      value: false,
    })
  })
})
