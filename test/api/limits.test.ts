import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { issueToken, verifyToken } from '../../src/access/tokens.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { runUsersJob } from '../../src/identity/users-file.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { said } from '../support/answers.ts'
import { crowd, invokeJob } from '../support/audiences.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { fileParts, hazardous, parts } from '../support/hazard.ts'
import { household, Team } from '../support/identity.ts'

const waits = { facts: { reason: 'jobs-waiting', max: 20 } }

describe('of twenty jobs that wait', () => {
  it("a group's twenty-first is refused, until one has ended", async () => {
    const { workspace, ...bank } = await opened()
    const { res } = hazardous()
    const send = () =>
      receiveUpload(res, workspace, bank.group, {
        createdBy: 'tester',
        parts: parts('add', 'ann\n'),
      })
    const { key } = await send()
    for (let i = 1; i < 20; i++) await send()
    await expect(send()).rejects.toMatchObject(waits)
    await invokeJob(res, workspace, key)
    await send()
    await expect(send()).rejects.toMatchObject(waits)
  })

  it("the twenty-first of users' files is refused, until one has ended", async () => {
    const { workspace } = await opened()
    const { res } = hazardous()
    const send = () => receiveUsers(res, workspace, 'tester', fileParts('user_id,a\nann,b\n'))
    const { key } = await send()
    for (let i = 1; i < 20; i++) await send()
    await expect(send()).rejects.toMatchObject(waits)
    await runUsersJob(res, workspace, key)
    await send()
    await expect(send()).rejects.toMatchObject(waits)
  })
})

describe('of many files at once', () => {
  const taken = async (send: () => Promise<unknown>) => {
    const results = await Promise.allSettled(Array.from({ length: 24 }, send))
    return results.filter(({ status }) => status === 'fulfilled').length
  }

  it('a group takes twenty', async () => {
    const { workspace, group } = await opened()
    const { res } = hazardous()
    const file = () => parts('add', 'ann\n')
    expect(
      await taken(() =>
        receiveUpload(res, workspace, group, { createdBy: 'tester', parts: file() }),
      ),
    ).toBe(20)
  })

  it('of users, a workspace takes twenty', async () => {
    const { workspace } = await opened()
    const { res } = hazardous()
    const file = () => fileParts('user_id,a\nann,b\n')
    expect(await taken(() => receiveUsers(res, workspace, 'tester', file()))).toBe(20)
  })
})

describe('of five jobs that a workspace may have', () => {
  const limited = hazardous({ JOBS_UNENDED_MAX: 5 })
  const refused = { facts: { reason: 'jobs-waiting', max: 5 } }
  const users = (workspace: number) =>
    receiveUsers(limited.res, workspace, 'tester', fileParts('user_id,a\nann,b\n'))
  const upload = (workspace: number, group: string) =>
    receiveUpload(limited.res, workspace, group, {
      createdBy: 'tester',
      parts: parts('add', 'ann\n'),
    })

  it('the sixth is refused, until one has ended', async () => {
    const { bank, workspace, group } = await opened()
    const { key } = await upload(workspace, group)
    for (let i = 0; i < 3; i++) await upload(workspace, await bank.group())
    await users(workspace)
    const last = await bank.group()
    await expect(upload(workspace, last)).rejects.toMatchObject(refused)
    await expect(users(workspace)).rejects.toMatchObject(refused)
    const another = await opened()
    await upload(another.workspace, another.group)
    await invokeJob(limited.res, workspace, key)
    await upload(workspace, last)
    await expect(users(workspace)).rejects.toMatchObject(refused)
  })

  it('five of sixteen concurrent uploads are accepted', async () => {
    const { bank, workspace } = await opened()
    const groups = await Promise.all(Array.from({ length: 8 }, () => bank.group()))
    const sent = await Promise.allSettled([
      ...groups.map((group) => upload(workspace, group)),
      ...groups.map(() => users(workspace)),
    ])
    expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
    for (const one of sent) if (one.status === 'rejected') expect(one.reason).toMatchObject(refused)
    const { objects } = await env.FILES.list({ prefix: `uploads/${workspace}/` })
    expect(objects).toHaveLength(5)
  })
})

async function opened() {
  const bank = await Bank.open()
  return { bank, workspace: bank.workspace, group: await bank.group() }
}

describe('a text', () => {
  it.each(['groupType', 'groupPlatform'])('of a %s has up to 50 characters', async (field) => {
    const bank = await Bank.open()
    const create = (text: string, groupName: string) =>
      bank.send('POST', '/groups', { groupName, [field]: text })
    expect((await create('🎉'.repeat(50), 'a')).status).toBe(200)
    expect((await create('🎉'.repeat(51), 'b')).status).toBe(400)
  })

  it.each([255, 256, 300])(
    'of %i characters is a file name, of which 255 are kept',
    async (long) => {
      const { bank, group } = await opened()
      const answer = await (await bank.upload(group, 'ADD', 'ann\n', 'x'.repeat(long))).json<Json>()
      expect(answer['message']).toContain(`file: ${'x'.repeat(255)} and`)
      const path = `/groups/${group}/participants?type=ADD&fileName=${'y'.repeat(long)}`
      const body = { body: 'bob\n', headers: { 'content-type': 'text/csv' } }
      expect((await said(bank.call('PUT', path, body)))['message']).toContain(
        `file: ${'y'.repeat(255)} and`,
      )
    },
  )
})

describe('of more than ten thousand problems', () => {
  const rows = Array.from({ length: 10_300 }, (_, i) => (i % 103 === 0 ? `user-${i}` : 'a,b,c'))
  const bad = rows.flatMap((row, i) => (row === 'a,b,c' ? [i + 2] : []))
  const linesOf = async (job: number) => {
    const query = env.DB.prepare('SELECT line FROM job_problems WHERE job_key = ? ORDER BY line')
    return (await query.bind(job).all<{ line: number }>()).results.map(({ line }) => line)
  }

  it.each([7000, 65_536])('the first are kept, in slices of %i bytes', async (SLICE_BYTES) => {
    const { workspace, group } = await opened()
    const { res } = hazardous({ SLICE_BYTES })
    const upload = await receiveUpload(res, workspace, group, {
      createdBy: 'tester',
      parts: parts('add', lines(['id', ...rows])),
    })
    await invokeJob(res, workspace, upload.key)
    const users = await receiveUsers(
      res,
      workspace,
      'tester',
      fileParts(
        lines(['user_id,plan', ...rows.map((row) => (row === 'a,b,c' ? row : `${row},x`))]),
      ),
    )
    await runUsersJob(res, workspace, users.key)
    for (const { key } of [upload, users]) {
      expect(await linesOf(key)).toEqual(bad.slice(0, 10_000))
      const query = env.DB.prepare(
        'SELECT state, rows, bad_rows AS badRows FROM jobs WHERE key = ?',
      )
      expect(await query.bind(key).first()).toEqual({
        state: 'partial',
        rows: 10_300,
        badRows: 10_200,
      })
    }
  })
})

describe('a token', () => {
  const { signing } = hazardous().res
  const caller = { client: 'x', name: 'tester', workspace: 1, scopes: ['groups:read'] }
  const [audience = ''] = signing.audiences

  it.each(['cached', 'new'])(
    'that is %s ends with its last second, and not before',
    async (how) => {
      const now = Date.UTC(2027, 0, 1)
      const issuedAt = now / 1000
      const span = { issuedAt, expires: issuedAt + 300 }
      const grant = { caller, issuer: 'https://coterie.test', audience, id: how, span }
      const token = await issueToken(signing, grant)
      const end = now + 300_000
      const verified = { caller, issuedAt }
      if (how === 'cached') expect(await verifyToken(signing, token, now)).toMatchObject(verified)
      expect(await verifyToken(signing, token, end - 1)).toMatchObject(verified)
      const refusal = { facts: { reason: 'unauthenticated', why: 'invalid' } }
      await expect(verifyToken(signing, token, end)).rejects.toMatchObject(refusal)
    },
  )
})

describe('pages of any size', () => {
  it('show the whole of a list once, in its order, and end', async () => {
    const team = await Team.open()
    const bank = await Bank.open(undefined, team.workspace)
    const group = await bank.group()
    const names = ['ann', 'bob', 'cid', 'dan', 'eve', '漢']
    await crowd(team.workspace, names)
    await crowdSays(team.workspace, names)
    await bank.apply(group, 'ADD', lines(names))
    await team.define({ ...household, source_user_attribute: 'street' })
    await team.recompute()
    await team.audience('reds', { operator: 'equals', attribute: 'team', value: 'red' })
    const { res } = hazardous()
    for (const one of names)
      await receiveUsers(res, team.workspace, 'tester', fileParts(`user_id,a\n${one},b\n`))
    const { id: webhook } = await said(
      team.send('POST', '/webhooks', { url: `${env.RECEIVER}/in/pages` }),
    )
    for (const _ of names) await team.call('POST', `/webhooks/${String(webhook)}/test`)

    const lists: [path: string, items: string, after: string, (item: Json) => unknown][] = [
      ['/groups/household/instances', 'instances', 'after', ({ value }) => value],
      ['/audiences/reds/users', 'users', 'after', (item) => item],
      ['/imports', 'imports', 'before', ({ id }) => id],
      [`/webhooks/${String(webhook)}/deliveries`, 'deliveries', 'after', ({ id }) => id],
      ['/events', 'events', 'after', ({ id }) => id],
    ]
    const walks: [
      string,
      (query: string) => Promise<Json>,
      string,
      string,
      (item: Json) => unknown,
    ][] = lists.map(([path, items, after, idOf]) => [
      path,
      (query) => team.get(`${path}?${query}`),
      items,
      after,
      idOf,
    ])
    const participants = `/groups/${group}/participants`
    walks.push([
      participants,
      (query) => bank.get(`${participants}?${query}`),
      'participants',
      'after',
      (item) => item,
    ])
    for (const [path, ask, items, after, idOf] of walks) {
      const whole = ((await ask('size=100'))[items] as Json[]).map(idOf)
      expect(whole.length, path).toBeGreaterThanOrEqual(names.length)
      for (const size of [1, 2, 3, whole.length - 1, whole.length, whole.length + 1]) {
        const found: unknown[] = []
        let next: unknown
        for (let pages = 0; next !== null; pages++) {
          expect(pages, path).toBeLessThanOrEqual(whole.length)
          const from = next === undefined ? '' : `&${after}=${encodeURIComponent(String(next))}`
          const page = await ask(`size=${size}${from}`)
          const shown = (page[items] as Json[]).map(idOf)
          expect(shown.length, path).toBeLessThanOrEqual(size)
          found.push(...shown)
          // Events go on for ever: the last page is an empty one.
          next = path === '/events' && shown.length === 0 ? null : page['next']
        }
        expect({ path, size, found }).toEqual({ path, size, found: whole })
      }
    }
  })
})

/** Each lives in a street of their own. */
const crowdSays = (workspace: number, names: string[]) =>
  env.DB.prepare(
    `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
      SELECT ?, value, 'street', value, 'string', 1 FROM json_each(?)`,
  )
    .bind(workspace, JSON.stringify(names))
    .run()
