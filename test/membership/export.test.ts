import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportMembers, RevisionChanged } from '../../src/membership/export.ts'
import { refused, said } from '../support/answers.ts'
import { Bank, eventually, lines } from '../support/api.ts'
import { homeDb, homeResources } from '../support/databases.ts'
import { held } from '../support/held.ts'

const count = 10_000
const crowd = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name}-${i}`)

/** A group's file as the Worker gives it, from `after` on. */
const file = (bank: Bank, group: string, after = '') =>
  bank.call('GET', `/groups/${group}/participants?after=${encodeURIComponent(after)}`, {
    headers: { accept: 'text/csv' },
  })

/** The same from the room itself, piece by piece, with its cost so far. */
async function pieces({ workspace }: Bank, group: string, after = '') {
  const { databaseOf, meter } = homeResources(env)
  const { file, revision } = await exportMembers(databaseOf(workspace), workspace, group, {
    after,
  })
  const reader = file.getReader()
  const next = async () => {
    const { value } = await reader.read()
    return value === undefined
      ? undefined
      : new TextDecoder().decode(value).split('\n').slice(0, -1)
  }
  return { next, revision, meter, cancel: () => reader.cancel() }
}

describe('a group of 25,000 as a file', () => {
  let bank: Bank
  let group: string
  let members: string[]
  beforeAll(async () => {
    bank = await Bank.open()
    group = await bank.group()
    await bank.apply(group, 'ADD', lines(crowd('person', count)))
    members = await bank.members(group)
  })

  it('lists each member once, in the order of ids, under a header', async () => {
    const answer = await file(bank, group)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${group}.csv"`)
    expect(answer.headers.get('transactionId')).toMatch(/^[\da-f-]{36}$/)
    expect(members).toHaveLength(count)
    expect(await answer.text()).toBe(`ParticipantId\n${lines(members)}`)
  })

  it('goes on after a participant, under a header, and ends empty', async () => {
    for (const from of [1, 4_000, 6_000, count - 1, count])
      expect(await (await file(bank, group, members[from - 1])).text()).toBe(
        `ParticipantId\n${lines(members.slice(from))}`,
      )
    expect(await (await file(bank, group, 'person-1x')).text()).toBe(
      `ParticipantId\n${lines(members.filter((id) => id > 'person-1x'))}`,
    )
  })

  it('comes in pieces, each of which is read only when needed', async () => {
    const { next, meter, revision } = await pieces(bank, group)
    expect(revision).toBe(1)
    expect(meter.statements).toBe(2)
    await scheduler.wait(20)
    expect(meter.statements).toBe(2)
    expect(await next()).toEqual(['ParticipantId', ...members.slice(0, 4_000)])
    await scheduler.wait(20)
    expect(meter.statements).toBe(2)
    expect(await next()).toEqual(members.slice(4_000, 8_000))
    expect(await next()).toEqual(members.slice(8_000))
    expect(await next()).toBeUndefined()
    expect(meter).toMatchObject({ statements: 6, rowsWritten: 0 })
    expect(meter.rowsRead).toBeLessThan(2.01 * count)
  })

  it('is read no further once its reader has gone', async () => {
    const { next, cancel, meter } = await pieces(bank, group)
    await next()
    await next()
    expect(meter.statements).toBe(4)
    await cancel()
    await scheduler.wait(50)
    expect(meter.statements).toBe(4)
    expect(await next()).toBeUndefined()
  })

  it('is the same as its pages', async () => {
    const paged: string[] = []
    for (let next: string | null = ''; next !== null;) {
      const page = await bank.get(`/groups/${group}/participants?size=7000&after=${next}`)
      paged.push(...(page['participants'] as string[]))
      next = page['next'] as string | null
    }
    expect(paged).toEqual(members)
  })

  it('is not for another workspace', async () => {
    const other = await Bank.open()
    expect(await said(file(other, group))).toEqual(
      refused(`groupId ${group} not found or has been marked for deletion`),
    )
  })
})

/** A file of 6,000 whose first piece has been read. */
async function begun() {
  const bank = await Bank.open()
  const group = await bank.group()
  await bank.apply(group, 'ADD', lines(crowd('person', 6_000)))
  const members = await bank.members(group)
  const { next } = await pieces(bank, group)
  await next()
  return { bank, group, members, next }
}

describe('a file', () => {
  it('of an empty group is its header', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const answer = await file(bank, group)
    expect([answer.status, await answer.text()]).toEqual([200, 'ParticipantId\n'])
    expect(await bank.get(`/groups/${group}/participants`)).toEqual({
      participants: [],
      next: null,
      revision: 0,
    })
  })

  it('ends well where its last piece is a full one', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(crowd('person', 4_000)))
    expect(await (await file(bank, group)).text()).toBe(
      `ParticipantId\n${lines(await bank.members(group))}`,
    )
  })

  const changes: [string, string, string][] = [
    ['adds one', 'ADD', 'zoe\n'],
    ['removes some', 'REMOVE', lines(crowd('person', 3_000))],
    ['replaces all', 'REPLACE', lines(crowd('other', 6_000))],
    ['replaces some', 'REPLACE', lines([...crowd('person', 3_000), ...crowd('other', 3_000)])],
  ]
  it.each(changes)('goes on where one upload goes live that %s', async (_, type, content) => {
    const bank = await Bank.open()
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(crowd('person', 6_000)))
    const members = await bank.members(group)
    const { next, revision } = await pieces(bank, group)
    expect([revision, (await next())?.length]).toEqual([1, 4_001])
    await bank.apply(group, type, content)
    expect(await next()).toEqual(members.slice(4_000))
    expect(await next()).toBeUndefined()
  })

  it.each(changes)(
    'breaks off where a second begins after one that %s',
    async (_, type, content) => {
      const { bank, group, next } = await begun()
      await bank.apply(group, type, content)
      await bank.apply(group, 'ADD', lines(crowd('person', 6_000)))
      await expect(next()).rejects.toThrow(RevisionChanged)
      await expect(next()).rejects.toThrow(RevisionChanged)
    },
  )

  it('goes on where others fail before the one that goes live', async () => {
    const { bank, group, members, next } = await begun()
    for (let time = 0; time < 3; time++)
      expect(await bank.apply(group, 'ADD', 'one,two\n')).toMatchObject({ jobStatus: 'FAILED' })
    await bank.apply(group, 'REMOVE', lines(members))
    expect(await next()).toEqual(members.slice(4_000))
  })

  it('goes on where another is cancelled after the one that goes live', async () => {
    const { bank, group, members, next } = await begun()
    await bank.apply(group, 'REMOVE', lines(members))
    const preview = { type: 'REPLACE', mode: 'preview' }
    const { jobId } = await held(bank, group, preview, members.slice(3_000))
    await said(bank.call('POST', `/jobs/${String(jobId)}/cancel`))
    const undoing = homeDb.prepare('SELECT ended_at FROM jobs WHERE id = ?').bind(jobId)
    await eventually(
      () => undoing.first('ended_at'),
      (at) => at !== null,
    )
    expect(await next()).toEqual(members.slice(4_000))
  })

  it('breaks off where its group is deleted in the middle of it', async () => {
    const { bank, group, next } = await begun()
    await bank.call('DELETE', `/groups/${group}`)
    await expect(next()).rejects.toThrow('not-found')
  })

  it('is not broken off by an upload that is still being applied', async () => {
    const { group, members, next } = await begun()
    // Its rows are written, and its revision is not the group's yet.
    await homeDb
      .prepare(
        `UPDATE members SET removed_rev = 2 WHERE group_key = (SELECT key FROM experience_groups
        WHERE id = ?) AND participant_id LIKE '%5'`,
      )
      .bind(group)
      .run()
    expect(await next()).toEqual(members.slice(4_000))
  })

  it('arrives broken off, and not as if it were whole', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const long = (name: string) => lines(crowd(`${name}-${'x'.repeat(20)}`, 60_000))
    await bank.apply(group, 'ADD', long('person'))
    const answer = await file(bank, group)
    const reader = answer.body?.getReader()
    await reader?.read()
    for (const name of ['other', 'person']) await bank.apply(group, 'REPLACE', lines([`${name}`]))
    const rest = async () => {
      for (;;) if ((await reader?.read())?.done !== false) return
    }
    await expect(rest()).rejects.toThrow()
  })
})
