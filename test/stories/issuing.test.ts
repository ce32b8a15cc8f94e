import { describe, expect, it } from 'vitest'
import { asAdmin, json, newClient, tokenOf, type Client } from '../support/api.ts'
import { ask, keeping } from '../support/bindings.ts'
import { atHome, homeDb } from '../support/databases.ts'

/** A database that `before` or `after` a statement like this does something else. */
function holding(
  like: RegExp,
  { before, after }: { before?: () => Promise<unknown>; after?: () => Promise<unknown> },
): D1Database {
  const queries = new WeakMap<object, string>()
  const around = async <T>(query: string, run: () => Promise<T>): Promise<T> => {
    if (!like.test(query)) return run()
    await before?.()
    const answer = await run()
    await after?.()
    return answer
  }
  const statement = (target: D1PreparedStatement, query: string): D1PreparedStatement => {
    const held = new Proxy(target, {
      get(of, key) {
        if (key === 'bind') return (...values: unknown[]) => statement(of.bind(...values), query)
        if (key === 'all') return () => around(query, () => of.all())
        return Reflect.get(of, key)
      },
    })
    queries.set(held, query)
    inner.set(held, target)
    return held
  }
  const inner = new WeakMap<object, D1PreparedStatement>()
  const held = {
    withSession: () => held,
    getBookmark: () => null,
    prepare: (query: string) => statement(homeDb.prepare(query), query),
    batch: (statements: D1PreparedStatement[]) =>
      around(statements.map((one) => queries.get(one)).join(), () =>
        homeDb.batch(statements.map((one) => inner.get(one) ?? one)),
      ),
  }
  return held as unknown as D1Database // nothing else is called
}

const past = () => scheduler.wait(3100)

const isGood = async (token: string): Promise<boolean> => {
  const headers = { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() }
  const path = '/groups/v3/participants/ann/groups'
  return (await ask(path, { headers }, keeping().bound)).status === 200
}

const ways: [string, (client: Client) => [path: string, method: string]][] = [
  ['deleted', ({ id }) => [`/oauth/clients/${id}`, 'DELETE']],
  ['revoked', ({ id }) => [`/oauth/clients/${id}/revoke`, 'POST']],
]

describe.each(ways)('a token of a client that is %s', (_, way) => {
  const end = async (client: Client, db = homeDb) => {
    const [path, method] = way(client)
    const answer = await ask(path, asAdmin({ method }), keeping(atHome(db)).bound)
    expect(answer.status).toBe(204)
  }

  it('is refused if its client was read before', async () => {
    const client = await newClient()
    const db = holding(/from "clients"/, {
      after: async () => {
        await end(client)
        await past()
      },
    })
    const body = { grant_type: 'client_credentials', client_id: client.id }
    const init = json('POST', { ...body, client_secret: client.secret })
    const answer = await ask('/oauth/token', init, keeping(atHome(db)).bound)
    const { access_token } = await answer.json<{ access_token: string }>()
    expect(await isGood(access_token)).toBe(false)
  })

  it('is refused if it is issued before a slow write', async () => {
    const client = await newClient()
    let token = ''
    const before = async () => {
      await past()
      token = await tokenOf(client)
    }
    await end(client, holding(/INSERT INTO revocations/, { before }))
    expect(token).not.toBe('')
    expect(await isGood(token)).toBe(false)
  })
})
