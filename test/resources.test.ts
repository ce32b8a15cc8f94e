import { env } from 'cloudflare:workers'
import { sql } from 'drizzle-orm'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { together } from '../src/db/connect.ts'
import type { Limits } from '../src/limits.ts'
import { resources, type Env } from '../src/resources.ts'
import { Bank, json, newClient, type Json } from './support/api.ts'
import { callWith } from './support/door.ts'
import { replicated } from './support/replicated.ts'

const limitsOf = (vars: object) => resources({ ...env, ...vars }).limits

const limits: [limit: keyof Limits, name: keyof Env, as: number][] = [
  ['nameMax', 'NAME_MAX', 50],
  ['descriptionMax', 'DESCRIPTION_MAX', 450],
  ['jobsWaitingMax', 'JOBS_WAITING_MAX', 20],
  ['jobsUnendedMax', 'JOBS_UNENDED_MAX', 200],
  ['jobsDays', 'JOBS_DAYS', 30],
  ['heldDays', 'HELD_DAYS', 7],
  ['auditDays', 'AUDIT_DAYS', 400],
  ['erasureDays', 'ERASURE_DAYS', 400],
  ['fileBytesMax', 'FILE_BYTES_MAX', 8_589_934_592],
  ['waitingBytesMax', 'WAITING_BYTES_MAX', 53_687_091_200],
  ['uploadIdleSeconds', 'UPLOAD_IDLE_SECONDS', 60],
  ['groupsMax', 'GROUPS_MAX', 1000],
  ['membersMax', 'MEMBERS_MAX', 20_000_000],
  ['usersMax', 'USERS_MAX', 10_000_000],
  ['userAttributesMax', 'USER_ATTRIBUTES_MAX', 500],
  ['profileBytesMax', 'PROFILE_BYTES_MAX', 4_194_304],
  ['participantMax', 'PARTICIPANT_MAX', 32],
  ['badRowsMaxPercent', 'BAD_ROWS_MAX_PERCENT', 50],
  ['maxRemovePercent', 'MAX_REMOVE_PERCENT', 100],
  ['sliceBytes', 'SLICE_BYTES', 8_388_608],
  ['usersPerStep', 'USERS_PER_STEP', 20_000],
  ['turnMs', 'TURN_MS', 250],
  ['definitionsMax', 'DEFINITIONS_MAX', 1],
  ['sharedAttributesMax', 'SHARED_ATTRIBUTES_MAX', 10],
  ['groupUsersMax', 'GROUP_USERS_MAX', 10],
  ['audiencesMax', 'AUDIENCES_MAX', 100],
  ['ruleCostMax', 'RULE_COST_MAX', 100_000],
  ['questionSeconds', 'QUESTION_SECONDS', 20],
  ['webhooksMax', 'WEBHOOKS_MAX', 20],
  ['experimentsMax', 'EXPERIMENTS_MAX', 100],
  ['exposuresMax', 'EXPOSURES_MAX', 20_000_000],
  ['lookupCacheSeconds', 'LOOKUP_CACHE_SECONDS', 0],
  ['rateLimit', 'RATE_LIMIT', 6000],
  ['lookupRateLimit', 'LOOKUP_RATE_LIMIT', 600_000],
  ['doorRateLimit', 'DOOR_RATE_LIMIT', 600],
  ['questionRateLimit', 'QUESTION_RATE_LIMIT', 120],
  ['ratePeriod', 'RATE_PERIOD', 60],
]

describe('the limits', () => {
  it('are those of wrangler.toml', () => {
    expect(limitsOf({})).toEqual(Object.fromEntries(limits.map(([limit, , as]) => [limit, as])))
  })

  it.each(limits)('have in %s what %s says, as a number or as text', (limit, name, as) => {
    const given = (as % 50) + 7
    for (const value of [given, String(given)])
      expect(limitsOf({ [name]: value })).toEqual({ ...limitsOf({}), [limit]: given })
  })

  it.each([0, 65, 1.5, -1, '', 'x', undefined, null])('refuse ids of %o characters', (given) => {
    expect(() => limitsOf({ PARTICIPANT_MAX: given })).toThrow('PARTICIPANT_MAX')
  })

  it.each([0, 1.5, -1, '', 'x', undefined, null])('refuse to keep things %o days', (given) => {
    for (const name of ['JOBS_DAYS', 'HELD_DAYS', 'AUDIT_DAYS'])
      expect(() => limitsOf({ [name]: given })).toThrow(name)
  })

  it.each([0, 1.5, -1, '', 'x', undefined, null])('refuse to keep hashes %o days', (given) => {
    expect(() => limitsOf({ ERASURE_DAYS: given })).toThrow('ERASURE_DAYS')
  })

  it.each([0, 1.5, -1, '', 'x', undefined, null])(
    'refuse to learn of revocations after %o',
    (given) => {
      const vars = { REVOCATIONS_SECONDS: given as number } // a var may be anything
      expect(() => resources({ ...env, ...vars })).toThrow('REVOCATIONS_SECONDS')
    },
  )

  it.each([1, 64])('allow ids of %o characters', (given) => {
    expect(limitsOf({ PARTICIPANT_MAX: given }).participantMax).toBe(given)
  })

  it('hold where they are given as text, as on a command line', async () => {
    const bank = await Bank.open(['webhooks:read', 'webhooks:write'])
    const path = `/platform/workspaces/${bank.workspace}/webhooks`
    const draft = json('POST', { url: `${env.RECEIVER}/in/text` })
    const vars = { WEBHOOKS_MAX: '1' as unknown as number } // as wrangler gives it
    const headers = { ...bank.headers(), 'content-type': 'application/json' }
    expect((await callWith(vars, path, { ...draft, headers })).status).toBe(201)
    expect((await callWith(vars, path, { ...draft, headers })).status).toBe(422)
  })
})

describe('a PERSON_KEY that could be guessed', () => {
  const short = 'x'.repeat(31)

  it.each([short, '', undefined])('is refused: %o', (PERSON_KEY) => {
    const bound = { ...env, PERSON_KEY } as Env // a secret that was not put is missing
    expect(() => resources(bound)).toThrow('PERSON_KEY must have at least 32 characters')
    expect(resources({ ...env, PERSON_KEY: `${short}x` }).personKey).toBe(`${short}x`)
  })
})

describe('an ADMIN_TOKEN that could be guessed', () => {
  const short = 'x'.repeat(31)

  it.each([short, '', undefined])('is refused: %o', (ADMIN_TOKEN) => {
    const bound = { ...env, ADMIN_TOKEN } as Env // a secret that was not put is missing
    expect(() => resources(bound)).toThrow('ADMIN_TOKEN must have at least 32 characters')
    expect(resources({ ...env, ADMIN_TOKEN: `${short}x` }).adminToken).toBe(`${short}x`)
  })

  it('closes every route', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    for (const path of ['/health', '/oauth/clients', '/groups/v3/groups', '/nowhere']) {
      const headers = { authorization: `Bearer ${short}` }
      expect((await callWith({ ADMIN_TOKEN: short }, path, { headers })).status).toBe(500)
      expect(logged.mock.lastCall?.[0]).toMatch(/requestId.*ADMIN_TOKEN must have/)
      expect(logged.mock.lastCall?.[0]).not.toContain(short)
    }
    logged.mockRestore()
  })
})

describe('Cloudflare Access', () => {
  const set = { ACCESS_TEAM: 'bank', ACCESS_AUDIENCE: '0f'.repeat(32) }

  it('is off unless both of its vars are set', () => {
    expect(resources(env).cloudflareAccess).toBeUndefined()
    const { cloudflareAccess } = resources({ ...env, ...set })
    expect(cloudflareAccess).toEqual({ team: 'bank', audience: set.ACCESS_AUDIENCE })
    for (const [name, value] of Object.entries(set))
      expect(() => resources({ ...env, [name]: value })).toThrow(/^ACCESS_/)
  })
})

describe('what is on or off', () => {
  it.each([
    [true, true],
    ['true', true],
    [false, false],
    ['false', false],
    ['', false],
    [undefined, false],
  ])('is read from %o as %o', (given, on) => {
    const vars = { RATE_LIMITED: given, WEBHOOKS_LOCAL: given } as Partial<Env> // as text too
    const { limiters, webhookAddresses } = resources({ ...env, ...vars })
    const { LIMITER, LOOKUP_LIMITER, DOOR_LIMITER, QUESTION_LIMITER } = env
    const all = {
      requests: LIMITER,
      lookups: LOOKUP_LIMITER,
      doors: DOOR_LIMITER,
      questions: QUESTION_LIMITER,
    }
    const none = Object.fromEntries(Object.keys(all).map((kind) => [kind, undefined]))
    expect(limiters).toEqual(on ? all : none)
    expect(limiters.requests === LIMITER).toBe(on)
    expect(webhookAddresses.local).toBe(on)
  })
})

describe('the bindings', () => {
  it('are each in their place', () => {
    const res = resources(env)
    expect(res.files).toBe(env.FILES)
    expect(res.work).toBe(env.WORK)
    expect(res.scheduled).toBe(env.SCHEDULED)
    expect(res.deliveries).toBe(env.DELIVERIES)
    expect(res.events).toBe(env.EVENTS)
    expect(res.adminToken).toBe(env.ADMIN_TOKEN)
    expect(res.now()).toBeCloseTo(Date.now(), -3)
  })

  it('query the primary for all but look-ups, and count each statement', async () => {
    const sessions: unknown[] = []
    const DB = {
      prepare: (query: string) => env.DB.prepare(query),
      withSession: (session: string) => {
        sessions.push(session)
        return env.DB.withSession(session)
      },
    } as unknown as D1Database // what `resources` and `connect` call
    const res = resources({ ...env, DB })
    await res.databaseOf(1).get(sql`SELECT 1`)
    await res.directory.get(sql`SELECT 1`)
    expect([sessions, res.meter.statements]).toEqual([[], 2])
    await res.replicaOf(1).get(sql`SELECT 1`)
    expect([sessions, res.meter.statements]).toEqual([['first-unconstrained'], 3])
    expect(resources(env).meter.statements).toBe(0)
  })

  it('query apart from a request without a session and its cost', async () => {
    const { DB, opened } = replicated(env.DB)
    const prepare = (query: string) => env.DB.prepare(query)
    const bound = { prepare, withSession: DB.withSession.bind(DB) }
    const res = resources({ ...env, DB: bound as unknown as D1Database }, '') // what is called
    const { primary, replica } = res.apart()
    await primary.get(sql`SELECT 1`)
    expect([opened, res.answered(), res.meter.statements]).toEqual([[], {}, 0])
    await replica.get(sql`SELECT 1`)
    expect([opened, res.answered(), res.meter.statements]).toEqual([['first-unconstrained'], {}, 0])
    expect(resources({ ...env, REVOCATIONS_SECONDS: 20 }).revocationsSeconds).toBe(20)
  })

  it('query the primary alone once a request has queried it', async () => {
    const { DB, opened } = replicated(env.DB)
    const res = resources({ ...env, DB }, '')
    expect(res.answered()).toEqual({})
    await res.replicaOf(1).get(sql`SELECT 1`)
    expect(res.answered().servedBy).toBe('WEUR replica')
    await together(res.databaseOf(1), [sql`SELECT 1`])
    await res.replicaOf(1).get(sql`SELECT 1`)
    expect(res.answered().servedBy).toBe('WEUR primary')
    const [first, ...others] = opened
    expect(first).toBe('first-unconstrained')
    expect(new Set(others)).toEqual(new Set(['first-primary']))
  })

  it('begin a session for each statement at the primary', async () => {
    const { DB, opened } = replicated(env.DB)
    const { directory } = resources({ ...env, DB }, '00000001-00000002')
    for (let i = 0; i < 3; i++) await directory.get(sql`SELECT 1`)
    expect(opened).toEqual(Array(3).fill('first-primary'))
  })

  it('give the newest bookmark of a request', async () => {
    const { directory, answered } = resources(env, '')
    const seen: string[] = []
    for (let i = 0; i < 3; i++) {
      await directory.run(sql`CREATE TABLE ${sql.raw(`newest_${i}`)} (id)`)
      seen.push(String(answered().bookmark))
    }
    expect(new Set(seen).size).toBe(3)
    expect(seen.toSorted()).toEqual(seen)
    for (let i = 0; i < 3; i++) await directory.run(sql`DROP TABLE ${sql.raw(`newest_${i}`)}`)
  })
})

describe('keys and audiences of tokens', () => {
  let bank: Bank
  let newer: { SIGNING_KEY: string; PREVIOUS_KEYS: string }
  let former: JWK
  beforeAll(async () => {
    bank = await Bank.open()
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
    const { d: _, ...open } = JSON.parse(env.SIGNING_KEY) as JWK // a JWK is what it is given as
    former = open
    const key = { ...(await exportJWK(privateKey)), kid: 'newer' }
    newer = { SIGNING_KEY: JSON.stringify(key), PREVIOUS_KEYS: JSON.stringify([former]) }
  })

  const groups = async (vars: Partial<Env>, headers = bank.headers()) =>
    (await callWith(vars, '/groups/v3/groups', { headers })).status

  it('let tokens of a former signing key in, while it is listed', async () => {
    expect(await groups(newer)).toBe(200)
    expect(await groups({ ...newer, PREVIOUS_KEYS: '[]' })).toBe(401)
  })

  it('sign with the newer key, and publish both', async () => {
    const jwks = await callWith(newer, '/.well-known/jwks.json')
    const { keys } = await jwks.json<{ keys: Json[] }>()
    expect(keys.map(({ kid }) => kid)).toEqual(['newer', former.kid])
    const { id, secret } = await newClient(undefined, bank.workspace)
    const body = { grant_type: 'client_credentials', client_id: id, client_secret: secret }
    const answer = await callWith(newer, '/oauth/token', json('POST', body))
    const { access_token } = await answer.json<Json>()
    const headers = { ...bank.headers(), authorization: `Bearer ${String(access_token)}` }
    expect(await groups(newer, headers)).toBe(200)
    expect(await groups({}, headers)).toBe(401)
  })

  it('take each audience that is listed, and no other', async () => {
    const { id, secret } = await newClient(undefined, bank.workspace)
    const body = { grant_type: 'client_credentials', client_id: id, client_secret: secret }
    const vars = { AUDIENCES: 'https://one.test https://two.test' }
    for (const audience of ['https://one.test', 'https://two.test']) {
      const answer = await callWith(vars, '/oauth/token', json('POST', { ...body, audience }))
      const { access_token } = await answer.json<Json>()
      const headers = { ...bank.headers(), authorization: `Bearer ${String(access_token)}` }
      expect(await groups(vars, headers)).toBe(200)
      expect(await groups({}, headers)).toBe(401)
    }
    const audience = 'https://two'
    const refused = await callWith(vars, '/oauth/token', json('POST', { ...body, audience }))
    expect(refused.status).toBe(400)
  })
})
