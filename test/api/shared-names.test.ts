import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sharedNames } from '../../src/identity/definitions.ts'
import { parseJson, stringifyJson } from '../../src/json.ts'
import { declined, isEmpty, said } from '../support/answers.ts'
import type { Json } from '../support/api.ts'
import { ann } from '../support/events.ts'
import { hazardous } from '../support/hazard.ts'
import { household, Team } from '../support/identity.ts'
import { runs } from '../support/property.ts'

const notFound = declined(404, 'Not found')
const name = 'household:has_dog'

const attributesOf = async (team: Team, id = '1') =>
  (await team.profile(id))['user_attributes'] as Json

/** What was written before a definition shared it, under the same name. */
async function ownBefore(team: Team, value: unknown, id = '1') {
  await team.send('PATCH', `/users/${id}`, { user_attributes: { [name]: value } })
  expect(await attributesOf(team, id)).toMatchObject({ [name]: value })
}

const ways: [string, (team: Team, attributes: Json) => Promise<unknown>][] = [
  ['PUT', (team, attributes) => team.user('1', attributes)],
  [
    'PATCH',
    async (team, user_attributes) =>
      expect((await team.send('PATCH', '/users/1', { user_attributes })).status).toBe(200),
  ],
  ['an event', (team, attributes) => isEmpty(team.report(ann(attributes)), 202)],
  [
    'events in bulk',
    (team, attributes) => isEmpty(team.report([ann(attributes)], '/v2/bulkevents'), 202),
  ],
]

describe.each(ways)('what a definition shares, written by %s', (_, write) => {
  it("is nobody's own, and what stands beside it is", async () => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [{ id: 'has:dog', type: 'latest' }] })
    await write(team, {
      'household:has:dog': true,
      'household:has': 1,
      'household:': 2,
      ':has:dog': 3,
      'household:has:dog ': 4,
      'Household:has:dog': 5,
      'other:has:dog': 6,
    })
    expect(await attributesOf(team)).toEqual({
      'household:has': 1,
      'household:': 2,
      ':has:dog': 3,
      'household:has:dog ': 4,
      'Household:has:dog': 5,
      'other:has:dog': 6,
    })
  })

  it('is not taken for inherited where the definition comes to share it', async () => {
    const team = await Team.open()
    await team.define({ ...household, attributes: [] })
    await ownBefore(team, 'mine')
    await team.send('PATCH', '/groups/household', { attributes: household.attributes })
    await team.audience('dogs', { operator: 'equals', attribute: name, value: 'mine' })
    expect((await team.get('/audiences/dogs/count'))['count']).toBe(0)
    expect(await said(team.call('GET', `/users/1/attributes/${name}/explain`))).toEqual(notFound)
    await write(team, { [name]: 'changed', a: 1 })
    expect(await attributesOf(team)).toEqual({ [name]: 'mine', a: 1 })

    await write(team, { [name]: null, a: 1 })
    expect(await attributesOf(team)).toEqual({ a: 1 })
    await write(team, { [name]: 'again', a: 1 })
    expect(await attributesOf(team)).toEqual({ a: 1 })
  })

  it('is left alone where it is inherited', async () => {
    const team = await Team.open()
    await ownBefore(team, 'mine')
    await team.define(household)
    await team.user('2', { $address: 'a', has_dog: true })
    await write(team, { $address: 'a', [name]: 'mine' })
    await team.recompute()
    expect(await attributesOf(team)).toEqual({ $address: 'a', [name]: true })
    await write(team, { $address: 'a', [name]: false })
    expect(await attributesOf(team)).toEqual({ $address: 'a', [name]: true })
    expect(await team.get(`/users/1/attributes/${name}/explain`)).toMatchObject({ value: true })
  })

  it('is accepted by other workspaces, and again once no definition shares it', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    await other.define(household)
    await write(team, { [name]: 'mine' })
    expect(await attributesOf(team)).toEqual({ [name]: 'mine' })
    await write(other, { [name]: 'mine' })
    expect(await attributesOf(other)).toEqual({})
    await other.call('DELETE', '/groups/household')
    await write(other, { [name]: 'mine' })
    expect(await attributesOf(other)).toEqual({ [name]: 'mine' })
  })
})

describe('the names that definitions share', () => {
  it('are those of the workspace at this moment', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    const db = hazardous().res.databaseOf(team.workspace)
    expect(await sharedNames(db, team.workspace)).toEqual(new Set())
    await team.define({
      ...household,
      attributes: [
        { id: 'has_dog', type: 'latest' },
        { id: 'a:"b"', type: 'sum' },
      ],
    })
    await other.define({ ...household, id: 'other' })
    expect(await sharedNames(db, team.workspace)).toEqual(new Set([name, 'household:a:"b"']))
    await team.send('PATCH', '/groups/household', { attributes: household.attributes })
    expect(await sharedNames(db, team.workspace)).toEqual(new Set([name]))
    await team.call('DELETE', '/groups/household')
    expect(await sharedNames(db, team.workspace)).toEqual(new Set())
  })
})

const own = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !text.includes('\0')),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
  fc.boolean(),
  fc.array(
    fc.string({ unit: 'grapheme', maxLength: 4 }).filter((text) => !text.includes('\0')),
    {
      maxLength: 3,
    },
  ),
)

describe('a profile that is read and written back', () => {
  it('leaves own attributes as they were, and inherited ones inherited', async () => {
    const team = await Team.open()
    const db = hazardous().res.databaseOf(team.workspace)
    const write = (method: string, id: string, attributes: string) =>
      team.call(method, `/users/${id}`, {
        body: `{"user_attributes":${attributes}}`,
        headers: { 'content-type': 'application/json' },
      })
    const stored = async (id: string) =>
      (
        await db.$client
          .prepare(
            `SELECT name, value, type FROM user_attributes WHERE workspace_id = ? AND user_id = ?
              AND value IS NOT NULL ORDER BY name`,
          )
          .bind(team.workspace, id)
          .all()
      ).results

    let users = 0
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom('n', 'b', 'other:n', '__proto__', name, 'household:n'), own),
        fc.boolean(),
        fc.constantFrom('PUT', 'PATCH'),
        async (attributes, inherits, method) => {
          const id = `user-${++users}`
          // Before there is a definition, any name may be one's own.
          await team.call('DELETE', '/groups/household')
          const given = Object.fromEntries(
            Object.entries({ ...attributes, ...(inherits && { $address: id }) }),
          )
          expect((await write('PUT', id, stringifyJson(given))).status).toBe(200)
          await team.define({
            ...household,
            attributes: [
              { id: 'n', type: 'latest' },
              { id: 'has_dog', type: 'boolean_or' },
            ],
          })
          if (inherits) await team.recompute()
          const before = await stored(id)
          const text = await (await team.call('GET', `/users/${id}`)).text()
          const shown = (parseJson(text) as Json)['user_attributes'] as Json
          expect(Object.hasOwn(shown, name)).toBe(inherits || Object.hasOwn(attributes, name))

          const answer = await write(method, id, stringifyJson(shown))
          expect(answer.status).toBe(200)
          expect((parseJson(await answer.text()) as Json)['user_attributes']).toEqual(shown)
          expect(await stored(id)).toEqual(before)
        },
      ),
      runs(8),
    )
  }, 120_000)
})
