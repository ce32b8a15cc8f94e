import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { eventually, lines, type Bank } from '../support/api.ts'
import { consume, keeping } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { Lab } from '../support/experiments.ts'
import { reports, seen } from '../support/exposures.ts'
import { deliveriesOf, hook, hookScopes, tried, tryOut } from '../support/hooks.ts'
import { household, type Team } from '../support/identity.ts'
import { everyRow } from '../support/store.ts'

/** An id that has more than one spelling, and nobody else's. */
const person = 'Zoé-7f3a'
const spellingsOf = (id: string) => [
  ...[id, id.normalize('NFD'), id.replace('é', '\\u00e9'), encodeURIComponent(id)],
]

/** Rows and files that have the id, however it is spelled. */
async function traces(id = person): Promise<string[]> {
  const { objects } = await env.FILES.list()
  const files = await Promise.all(
    objects.map(async ({ key }) => `${key} ${(await (await env.FILES.get(key))?.text()) ?? ''}`),
  )
  const spellings = spellingsOf(id)
  return [...(await everyRow()), ...files].filter((text) =>
    spellings.some((id) => text.includes(id) || text.normalize('NFC').includes(id)),
  )
}

async function opened() {
  const lab = await Lab.open(hookScopes)
  const { team, bank } = lab
  return { lab, team, bank }
}

const upload = async (bank: Bank, group: string, type: string, file: string, name?: string) =>
  bank.ended(String((await said(bank.upload(group, type, file, name)))['jobId']))

const importing = (team: Team, body: string, query = '') =>
  said(team.call('PUT', `/users${query}`, { body, headers: { 'content-type': 'text/csv' } }))

const imported = async (team: Team, body: string, query?: string) => {
  const { id } = await importing(team, body, query)
  for (;;) {
    const { status } = await team.get(`/imports/${String(id)}`)
    if (status !== 'CREATED' && status !== 'PROCESSING') return
    await scheduler.wait(20)
  }
}

describe('an erased person', () => {
  it('stands nowhere, in no spelling, and all others stand as before', async () => {
    const { lab, team, bank } = await opened()
    await team.define({ ...household, source_user_attribute: 'mail', matching: 'normalized' })
    await team.user(person, { mail: person, has_dog: true })
    await team.user('bob', { mail: 'bob', has_dog: true })
    await imported(
      team,
      `user_id,mail\n${person},${person}\n${person},x,y\n`,
      `?fileName=${encodeURIComponent(person)}.csv`,
    )
    await team.recompute()
    const [one, removed, deleted] = [await bank.group(), await bank.group(), await bank.group()]
    for (const group of [one, removed, deleted])
      await bank.apply(group, 'ADD', lines([person.normalize('NFD'), 'bob']))
    await bank.apply(removed, 'REMOVE', lines([person]))
    await bank.call('DELETE', `/groups/${deleted}`)
    await upload(bank, one, 'ADD', `bob\n${person},x\n"${person}",y\n`, `of ${person}.csv`)
    await upload(bank, one, 'REPLACE', `bob\ndan\n${person}\n`)
    const arms = [
      { id: 'control', weight: 5000, forced: [person, 'tess'] },
      { id: 'treatment', weight: 5000 },
    ]
    await lab.running('forced', { variants: arms })
    await lab.running('exposed')
    await reports(lab, [
      seen('exposed', person, 'control', '2026-03-01T10:00:00Z'),
      seen('exposed', 'bob', 'control', '2026-03-01T11:00:00Z'),
    ])
    const receiving = await hook(team)
    await receiving.receiver.answers({ status: 500, body: '{"for":"Zo\\u00e9-7f3a"}' })
    await tryOut(team, receiving)
    await tried(team, receiving, 1)
    expect((await traces()).length).toBeGreaterThan(10)

    const shown = await team.erase(person)
    expect(await traces()).toEqual([])
    expect(shown['removed']).toMatchObject({ users: 1, households: 1, memberships: 1 })
    expect(shown['removed']).toMatchObject({ forced_variants: 1, exposures: 1 })
    expect(await team.get('/experiments/exposed/exposures')).toMatchObject({
      variants: [{ participants: 1 }, { participants: 0 }],
      days: [{ day: '2026-03-01', variants: { control: 1 } }],
    })
    const kinds = shown['removed'] as Record<string, number>
    for (const kind of ['former_memberships', 'refused_rows', 'file_names', 'answers'])
      expect({ kind, some: (kinds[kind] ?? 0) > 0 }).toEqual({ kind, some: true })
    expect([await bank.members(one), await bank.count(one)]).toEqual([['bob', 'dan'], 2])
    expect([await bank.members(removed), await bank.count(removed)]).toEqual([['bob'], 1])
    expect(await team.profile('bob')).toMatchObject({ user_attributes: { mail: 'bob' } })
  })

  it('is not named by what a receiver answers later', async () => {
    const { team } = await opened()
    const one = await hook(team)
    await team.erase(person)
    const before = (await traces()).length
    const answered = async (body: string) => {
      await one.receiver.answers({ status: 200, body })
      const event = await tryOut(team, one)
      const deliveries = await eventually(
        () => deliveriesOf(team, one),
        ({ deliveries }) =>
          deliveries.some(({ id, status }) => id === event && status === 'delivered'),
      )
      return deliveries.deliveries.find(({ id }) => id === event)?.attempts
    }
    expect(await answered(`no user ${person}`)).toMatchObject([{ status_code: 200, answer: '' }])
    expect(await answered('no user Zoé-7f3')).toMatchObject([{ answer: 'no user Zoé-7f3' }])
    expect([before, await traces()]).toEqual([0, []])
  })

  it('does not come back by an event of before, and does by one of later', async () => {
    const { team } = await opened()
    await team.user(person, { city: 'Ulm' })
    const before = Date.now()
    await team.erase(person)
    const says = (city: string, at?: number) =>
      team.report({
        ...{ user_identities: { customer_id: person }, environment: 'production' },
        ...{ user_attributes: { city }, ...(at !== undefined && { timestamp_unixtime_ms: at }) },
      })
    await says('Bonn', before)
    expect((await team.call('GET', `/users/${encodeURIComponent(person)}`)).status).toBe(404)
    expect(await traces()).toEqual([])
    await says('Kiel')
    expect(await team.profile(person)).toMatchObject({ user_attributes: { city: 'Kiel' } })
  })

  it('does not come back by an exposure of before, and does by one of later', async () => {
    const { lab, team } = await opened()
    const noe = 'Noé-9b2c'
    await lab.running('exposed')
    await reports(lab, [seen('exposed', noe, 'control')])
    const waiting = Date.now()
    await scheduler.wait(2)
    await team.erase(noe)
    const { workspace } = team
    const shown = () => team.get('/experiments/exposed/exposures')
    const none = { variants: [{ participants: 0 }, { participants: 0 }], days: [] }
    expect(await shown()).toMatchObject(none)
    // It was accepted before, and its message is late.
    const { results } = await homeDb
      .prepare('SELECT key FROM experiments WHERE workspace_id = ?')
      .bind(workspace)
      .all<{ key: number }>()
    const [{ key } = { key: 0 }] = results
    const exposure = {
      experiment: key,
      version: 1,
      participant: noe,
      variant: 'control',
      at: waiting,
    }
    const message = { workspace, taken: waiting, by: { name: 'tester' }, exposures: [exposure] }
    await consume('events', [{ kind: 'exposures', ...message }], keeping().bound)
    await reports(lab, [seen('exposed', noe, 'control', new Date(waiting).toISOString())])
    expect(await traces(noe)).toEqual([])
    expect(await shown()).toMatchObject(none)
    await reports(lab, [seen('exposed', noe, 'treatment')])
    expect(await shown()).toMatchObject({ variants: [{ participants: 0 }, { participants: 1 }] })
  })

  it('is taken out of exposures by a file of people, and no user by its deletion', async () => {
    const { lab, team } = await opened()
    await lab.running('exposed')
    const people = ['ann', 'bob', 'cid']
    await reports(
      lab,
      people.map((one) => seen('exposed', one, 'control')),
    )
    for (const one of people) await team.user(one, { city: 'Ulm' })
    await team.call('DELETE', '/users/ann')
    const participants = async () =>
      (await team.get<{ variants: unknown[] }>('/experiments/exposed/exposures')).variants[0]
    expect(await participants()).toEqual({ id: 'control', participants: 3 })
    const headers = { 'content-type': 'text/csv' }
    const { id } = await said(team.call('POST', '/erasures', { body: 'bob\ncid\n', headers }))
    const { removed } = await team.erased(String(id))
    expect(removed).toMatchObject({ exposures: 2, forced_variants: 0 })
    expect(await participants()).toEqual({ id: 'control', participants: 1 })
  })

  it('comes back by files of later, as somebody new', async () => {
    const { team, bank } = await opened()
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines([person, 'bob']))
    await team.user(person, { city: 'Ulm', age: 7 })
    await team.erase(person)
    await imported(team, `user_id,city\n${person},Kiel\n`)
    await bank.apply(group, 'ADD', lines([person]))
    expect((await team.profile(person))['user_attributes']).toEqual({ city: 'Kiel' })
    expect([await bank.members(group), await bank.count(group)]).toEqual([[person, 'bob'], 2])
  })
})
