import { env } from 'cloudflare:workers'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { declined, inPieces, said, time, uuid } from '../support/answers.ts'
import { Bank, lines, type Json } from '../support/api.ts'
import { eventsOf, hookScopes } from '../support/hooks.ts'
import { household, Team } from '../support/identity.ts'

/** A team and a bank of one workspace. */
async function opened() {
  const team = await Team.open(hookScopes)
  return { team, bank: await Bank.open(undefined, team.workspace) }
}

const file = (body: BodyInit, type = 'text/csv'): RequestInit => ({
  body,
  headers: { 'content-type': type },
})

const post = (team: Team, body: BodyInit, type?: string) =>
  said(team.call('POST', '/erasures', file(body, type)))

describe('DELETE /people/{person}', () => {
  it('answers at once with an erasure to watch', async () => {
    const { team } = await opened()
    await team.user('ann', { city: 'Ulm' })
    const answer = await said(team.call('DELETE', '/people/ann'))
    expect(answer).toEqual({
      status: 'PROCESSING',
      id: expect.stringMatching(uuid) as string,
      person_hash: expect.stringMatching(/^[\w-]{43}$/) as string,
      requested_on: expect.stringMatching(time) as string,
    })
    const { id, person_hash, requested_on } = answer
    expect(await team.erased(String(id))).toEqual({
      ...{ id, people: 1, person_hash, status: 'SUCCESSFUL', requested_on },
      completed_on: expect.stringMatching(time) as string,
      removed: {
        ...{ users: 1, attributes: 1, memberships: 0, former_memberships: 0 },
        ...{ forced_variants: 0, exposures: 0 },
        ...{ refused_rows: 0, file_names: 0, answers: 0, files: 0 },
      },
    })
  })

  it('takes the user, their attributes and their place in households', async () => {
    const { team } = await opened()
    await team.define(household)
    await team.user('ann', { $address: 'Elm Street', has_dog: true })
    await team.user('bob', { $address: 'Elm Street' })
    await team.recompute()
    expect(await team.profile('bob')).toMatchObject({
      user_attributes: { 'household:has_dog': true },
    })
    expect(await team.erase('ann')).toMatchObject({
      removed: { users: 1, attributes: 2, households: 1 },
    })
    expect((await team.call('GET', '/users/ann')).status).toBe(404)
    expect(await team.profile('bob')).toMatchObject({
      user_attributes: { 'household:has_dog': false },
    })
  })

  it('takes the person out of every group by a job of the group', async () => {
    const { team, bank } = await opened()
    const [one, two, other] = [await bank.group(), await bank.group(), await bank.group()]
    for (const group of [one, two]) await bank.apply(group, 'ADD', lines(['ann', 'bob']))
    await bank.apply(other, 'ADD', lines(['bob']))
    expect(await team.erase('ann')).toMatchObject({
      removed: { memberships: 2, former_memberships: 2 },
    })
    for (const group of [one, two]) {
      expect(await bank.members(group)).toEqual(['bob'])
      expect(await bank.count(group)).toBe(1)
      const { content } = (await bank.get(`/jobs?groupId=${group}`)) as { content: Json[] }
      expect(content[0]).toMatchObject({
        ...{ type: 'REMOVE', inputFileName: 'erasure', jobStatus: 'SUCCESSFUL' },
        ...{ jobCreatedBy: 'tester', removedCount: 1, unchangedCount: 0, progressPercent: 100 },
      })
      expect(content[0]?.['jobId']).toMatch(uuid)
    }
    expect(await bank.get(`/jobs?groupId=${other}`)).toMatchObject({ page: { totalElements: 1 } })
    const changed = await eventsOf(team, '?types=group.participants.changed')
    expect(changed.slice(-2)).toMatchObject(
      [1, 1].map(() => ({ data: { type: 'REMOVE', revision: 2, removed: 1, added: 0 } })),
    )
  })

  it('takes the person out of a group that an audience fills', async () => {
    const { team, bank } = await opened()
    for (const user of ['ann', 'bob']) await team.user(user, { team: 'red' })
    await team.audience('reds', { operator: 'equals', attribute: 'team', value: 'red' })
    const group = await bank.group()
    await team.attach('reds', group)
    const sync = async () =>
      bank.ended(String((await said(team.call('POST', '/audiences/reds/sync')))['job_id']))
    await sync()
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    await team.erase('ann')
    expect([await bank.members(group), await bank.count(group)]).toEqual([['bob'], 1])
    await sync()
    expect(await bank.members(group)).toEqual(['bob'])
  })

  it('tells nobody whether the person was there', async () => {
    const { team } = await opened()
    await team.user('ann', {})
    const [known, unknown] = await Promise.all(
      ['ann', 'nobody'].map((person) => said(team.call('DELETE', `/people/${person}`))),
    )
    expect(Object.keys(known ?? {})).toEqual(Object.keys(unknown ?? {}))
    expect(unknown).toMatchObject({ status: 'PROCESSING' })
  })

  it('knows a person by any spelling of the id', async () => {
    const { team, bank } = await opened()
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(['jos\u00e9', 'bob']))
    await team.user('jos\u00e9', {})
    const one = await team.erase('\u00a0jose\u0301 ')
    expect([await bank.members(group), one['removed']]).toMatchObject([['bob'], { users: 1 }])
    expect(await team.erase('jos\u00e9')).toMatchObject({ person_hash: one['person_hash'] })
  })

  it.each([
    ['%20', 400, 'No user ID provided'],
    ['x'.repeat(65), 422, 'person must be 1 to 64 characters without control characters'],
    ['a%00b', 422, 'person must be 1 to 64 characters without control characters'],
    ['%E2%80%8B.', 422, /^person must/],
  ])('refuses %s', async (person, status, message) => {
    const { team } = await opened()
    const { errors, ...rest } = await said(team.call('DELETE', `/people/${person}`))
    expect(rest).toEqual({ status })
    expect(errors).toEqual([{ message: expect.stringMatching(message) as string }])
  })

  it("leaves another workspace's person of that id", async () => {
    const [{ team }, { team: other, bank }] = [await opened(), await opened()]
    await other.user('ann', { city: 'Ulm' })
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(['ann']))
    const mine = await team.erase('ann')
    expect(await other.profile('ann')).toMatchObject({ user_attributes: { city: 'Ulm' } })
    expect(await bank.members(group)).toEqual(['ann'])
    expect((await other.call('GET', `/erasures/${String(mine['id'])}`)).status).toBe(404)
    const theirs = await other.erase('ann')
    expect(theirs['person_hash']).not.toBe(mine['person_hash'])
  })
})

describe('POST /erasures', () => {
  it('erases the people of a file', async () => {
    const { team, bank } = await opened()
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(['ann', 'bob', 'cid']))
    for (const user of ['ann', 'dan']) await team.user(user, { city: 'Ulm' })
    const answer = await post(team, 'user_id\nann\n"bob"\r\nann\ndan\nnobody\n')
    expect(answer).toEqual({
      status: 'PROCESSING',
      id: expect.stringMatching(uuid) as string,
      people: 4,
      requested_on: expect.stringMatching(time) as string,
    })
    expect(await team.erased(String(answer['id']))).toMatchObject({
      ...{ people: 4, person_hash: null, status: 'SUCCESSFUL' },
      removed: { users: 2, attributes: 2, memberships: 2 },
    })
    expect([await bank.members(group), await bank.count(group)]).toEqual([['cid'], 1])
    expect((await team.call('GET', '/users/dan')).status).toBe(404)
  })

  it.each([
    ['a row of two ids', 'ann\nbob,cid\n', 'line 2 must have one id of at most 64 characters'],
    ['an id that is too long', `ann\n${'x'.repeat(65)}\n`, 'line 2 must have one id'],
    ['nothing but a header', 'user_id\n', 'file must have at least one id'],
    [
      'too many',
      lines(Array.from({ length: 1001 }, (_, i) => `p${i}`)),
      'file cannot have more than 1000 ids',
    ],
  ])('refuses %s, and erases nobody', async (_, body, message) => {
    const { team } = await opened()
    await team.user('ann', {})
    const { errors, ...rest } = await post(team, body)
    expect(rest).toEqual({ status: 422 })
    expect(errors).toEqual([{ message: expect.stringContaining(message) as string }])
    expect(await team.get('/erasures')).toEqual({ erasures: [], next: null })
    expect(await team.profile('ann')).toMatchObject({ user_id: 'ann' })
  })

  it('refuses people with too much at once, and takes them in parts', async () => {
    const { team } = await opened()
    const ids = Array.from({ length: 52 }, (_, i) => `person-${i}`)
    await env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
      INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
      SELECT ?1, p.value, 'a' || n.i, 'x', 'string', 1 FROM json_each(?2) AS p, n`,
    )
      .bind(team.workspace, JSON.stringify(ids))
      .run()
    const message =
      'file names people with over 25000 attributes, groups and exposures together: send fewer ids'
    expect(await post(team, lines(ids))).toEqual({ status: 422, errors: [{ message }] })
    expect(await post(team, lines(ids.slice(2)))).toMatchObject({ people: 50 })
    expect(await post(team, lines(ids))).toMatchObject({ people: 52 })
  })

  it('refuses what is no small file of text', async () => {
    const { team } = await opened()
    expect(await post(team, '')).toEqual(declined(400, 'The file is empty'))
    expect(await post(team, 'ann\n', 'application/json')).toEqual(
      declined(400, 'Content-Type must be text/csv'),
    )
    const large = 'x'.repeat(256 * 1024 + 1)
    for (const body of [large, inPieces([large])])
      expect(await post(team, body)).toEqual(
        declined(400, 'The request body cannot exceed 262144 bytes'),
      )
    expect(await post(team, new Uint8Array([97, 255, 10]))).toEqual(
      declined(400, 'The request body is not valid CSV'),
    )
  })
})

describe('GET /erasures', () => {
  it('lists erasures in pages, newest first', async () => {
    const { team } = await opened()
    const ids: unknown[] = []
    for (const person of ['ann', 'bob', 'cid']) ids.unshift((await team.erase(person))['id'])
    const page = async (query: string) => {
      const { erasures, next } = await team.get<{ erasures: Json[]; next: string | null }>(
        `/erasures?${query}`,
      )
      return { ids: erasures.map(({ id }) => id), next }
    }
    expect(await page('size=2')).toEqual({ ids: ids.slice(0, 2), next: ids[1] })
    expect(await page(`size=2&after=${String(ids[1])}`)).toEqual({ ids: ids.slice(2), next: null })
    expect((await team.call('GET', '/erasures?size=0')).status).toBe(422)
  })

  it('finds nothing where there is no such erasure', async () => {
    const { team } = await opened()
    expect(await said(team.call('GET', `/erasures/${crypto.randomUUID()}`))).toEqual(
      declined(404, 'Not found'),
    )
  })
})

describe('the receipt', () => {
  it('is an event, whose digest anybody may compute', async () => {
    const { team } = await opened()
    await team.user('ann', { city: 'Ulm' })
    const shown = await team.erase('ann')
    const { events } = await team.get<{ events: Json[] }>(
      '/events?types=erasure.requested,person.erased',
    )
    const [requested, erased, ...more] = events
    expect(more).toEqual([])
    const { id: erasure_id, person_hash, requested_on, completed_on, removed } = shown
    expect(requested).toMatchObject({
      type: 'erasure.requested',
      data: { erasure_id, person_hash, people: 1 },
    })
    expect(erased).toMatchObject({
      type: 'person.erased',
      data: { erasure_id, person_hash, people: 1, removed, requested_on, completed_on },
    })
    const { digest, ...facts } = erased?.['data'] as Json
    expect(digest).toBe(createHash('sha256').update(JSON.stringify(facts)).digest('hex'))
    expect(erased).toMatchObject({ actor: { client_id: team.client.id, name: 'tester' } })
  })
})
