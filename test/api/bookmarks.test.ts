import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { Bank, call, json } from '../support/api.ts'
import { ask, keeping } from '../support/bindings.ts'
import { published } from '../support/openapi.ts'
import { replicated } from '../support/replicated.ts'

const bookmark = '00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683'

let bank: Bank
let owls: string
beforeAll(async () => {
  bank = await Bank.open()
  owls = await bank.group('owls')
})

/** An answer, and the sessions that the request opened. */
async function fetched(path: string, more: Record<string, string> = {}, init: RequestInit = {}) {
  const { DB, opened } = replicated(env.DB)
  const headers = { ...(init.headers as Record<string, string>), ...bank.headers(), ...more }
  const answer = await ask(path, { ...init, headers }, keeping({ DB }).bound)
  return {
    answer,
    status: answer.status,
    header: (name: string) => answer.headers.get(name),
    opened: [...new Set(opened)],
  }
}
const after = (mark: string) => ({ 'x-d1-bookmark': mark })

describe('the bookmark of an answer', () => {
  it('is where a later look-up begins', async () => {
    const { jobId } = await bank.apply(owls, 'ADD', 'ann\n')
    const job = await fetched(`/groups/v3/jobs/${String(jobId)}`)
    const seen = String(job.header('x-d1-bookmark'))
    expect(job.opened).toEqual(['first-primary'])
    expect(await job.answer.json()).toMatchObject({ jobStatus: 'SUCCESSFUL' })

    const lookup = await fetched(`/groups/v3/groups/${owls}/participants/ann`, after(seen))
    expect(lookup.opened).toEqual([seen])
    expect(await lookup.answer.json()).toMatchObject({ member: true })
    expect(String(lookup.header('x-d1-bookmark')) >= seen).toBe(true)
  })

  it('comes with refusals that queried the database, and with writes', async () => {
    const path = `/groups/v3/groups/${crypto.randomUUID()}`
    const missing = await fetched(path)
    expect(missing.status).toBe(400)
    expect(missing.header('x-d1-bookmark')).toMatch(/^[\da-f-]+$/)
    const written = await fetched('/groups/v3/groups', {}, json('POST', { groupName: 'larks' }))
    expect(written.header('x-d1-bookmark')).toMatch(/^[\da-f-]+$/)
  })

  it('is missing where no statement was taken', async () => {
    for (const path of ['/openapi.json', '/groups/v3/groups?size=x']) {
      const { answer, opened } = await fetched(path)
      expect([answer.headers.get('x-d1-bookmark'), answer.headers.get('x-served-by'), opened]) //
        .toEqual([null, null, []])
    }
  })
})

describe('the bookmark of a request', () => {
  it('does not keep a write from the primary', async () => {
    const rename = json('PUT', { groupName: 'owls' })
    const written = await fetched(`/groups/v3/groups/${owls}`, after(bookmark), rename)
    expect([written.status, written.opened]).toEqual([200, ['first-primary']])
  })

  it.each(['x', 'first-unconstrained', '1', `${'a'.repeat(65)}-1`, `${bookmark};`, '1-'])(
    'has the primary answer where it cannot be read: %s',
    async (mark) => {
      const { status, opened } = await fetched('/groups/v3/groups', after(mark))
      expect([status, opened]).toEqual([200, ['first-primary']])
    },
  )

  it('may be empty or missing: then the nearest replica answers', async () => {
    for (const headers of [{}, after('')])
      expect((await fetched('/groups/v3/groups', headers)).opened).toEqual(['first-unconstrained'])
  })
})

describe('who served an answer', () => {
  it('names its region, and primary or replica', async () => {
    expect((await fetched('/groups/v3/groups')).header('x-served-by')).toBe('WEUR replica')
    expect((await fetched(`/groups/v3/groups/${owls}`)).header('x-served-by')).toBe('WEUR primary')
  })

  it('is left out where the platform does not say', async () => {
    const answer = await call('/groups/v3/groups', { headers: bank.headers() })
    expect([answer.status, answer.headers.get('x-served-by')]).toEqual([200, null])
    expect(answer.headers.get('x-d1-bookmark')).toMatch(/^[\da-f-]+$/)
  })
})

describe('the OpenAPI document', () => {
  it('names the headers at each operation that needs a token', async () => {
    const { operations } = await published()
    for (const [name, { security, parameters = [], responses }] of operations) {
      const guarded = security.length > 0
      const taken = parameters.filter((one) => JSON.stringify(one).includes('parameters/Bookmark'))
      expect([name, taken.length]).toEqual([name, guarded ? 1 : 0])
      const given = Object.entries(responses).filter(
        ([, { headers = {} }]) => headers['x-served-by'],
      )
      expect([...new Set(given.map(([status]) => status[0]))]).toEqual(guarded ? ['2'] : [])
    }
  })
})
