import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { pruneGroup } from '../../src/experience/prune.ts'
import { refused, said } from '../support/answers.ts'
import { Bank, lines } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { Team } from '../support/identity.ts'
import { hazardous } from '../support/hazard.ts'
import { held } from '../support/held.ts'
import { watched } from '../support/plans.ts'
import { getMemberAt } from '../../src/experience/as-of.ts'

afterEach(() => void vi.useRealTimers())

const at = (bank: Bank, group: string, participant: string, revision: number | string) =>
  said(bank.call('GET', `/groups/${group}/participants/${participant}?revision=${revision}`))

/** Who of them was in the group. */
async function members(bank: Bank, group: string, revision: number) {
  const found: string[] = []
  for (const id of ['ann', 'bob', 'cid', 'dan']) {
    const answer = await at(bank, group, id, revision)
    expect(answer).toEqual({
      ...{ status: 200, groupId: group, participantId: id, revision },
      member: answer['member'],
    })
    if (answer['member'] === true) found.push(id)
  }
  return found
}

const neither = (live: number) =>
  refused(`revision must be the live one, ${live}, or the one that was live before it`)

/** All that was done is older by so many hours, and dead rows are deleted as they then are. */
async function older(bank: Bank, group: string, hours: number) {
  const ms = hours * 3_600_000
  await env.DB.batch(
    ['jobs SET ended_at = ended_at', 'experience_groups SET updated_at = updated_at'].map((set) =>
      env.DB.prepare(`UPDATE ${set} - ? WHERE workspace_id = ?`).bind(ms, bank.workspace),
    ),
  )
  const key = await env.DB.prepare('SELECT key FROM experience_groups WHERE id = ?')
    .bind(group)
    .first<number>('key')
  await pruneGroup(hazardous().res, { workspace: bank.workspace, group: key ?? 0, after: '' })
}

describe('GET /groups/{groupId}/participants/{participantId}?revision=', () => {
  it.each<[type: string, file: string[], after: string[]]>([
    ['ADD', ['cid', 'dan'], ['ann', 'bob', 'cid', 'dan']],
    ['REMOVE', ['bob', 'dan'], ['ann', 'cid']],
    ['REPLACE', ['cid', 'dan'], ['cid', 'dan']],
  ])('tells of the live revision and the one before it: %s', async (type, file, after) => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann', 'bob', 'cid', 'old']))
    await bank.apply(group, 'REMOVE', lines(['old']))
    expect(await members(bank, group, 2)).toEqual(['ann', 'bob', 'cid'])
    await bank.apply(group, type, lines(file))
    expect(await members(bank, group, 2)).toEqual(['ann', 'bob', 'cid'])
    expect(await members(bank, group, 3)).toEqual(after)
    expect(await bank.get(`/groups/${group}/participants/ann`)).toMatchObject({ revision: 3 })
    for (const revision of [0, 1, 4])
      expect(await at(bank, group, 'ann', revision)).toEqual(neither(3))
  })

  it('takes 0 for what was before the first revision', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann']))
    expect(await members(bank, group, 0)).toEqual([])
    const none = await bank.group()
    expect(await members(bank, none, 0)).toEqual([])
    expect(await at(bank, none, 'ann', 1)).toEqual(neither(0))
  })

  it('leaves out jobs that left no revision', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann', 'bob']))
    await bank.apply(group, 'ADD', 'one,two\n')
    await bank.apply(group, 'REMOVE', lines(['bob']))
    await bank.apply(group, 'ADD', 'one,two\n')
    expect(await members(bank, group, 1)).toEqual(['ann', 'bob'])
    expect(await members(bank, group, 3)).toEqual(['ann'])
    for (const revision of [2, 4])
      expect(await at(bank, group, 'ann', revision)).toEqual(neither(3))
  })

  it('tells the same once a later job has written, and once it is undone', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann', 'bob', 'cid']))
    await bank.apply(group, 'REMOVE', lines(['bob', 'cid']))
    await bank.apply(group, 'REPLACE', lines(['bob']) + 'one,two\nthree,four\n')
    const tells = async () => {
      expect(await members(bank, group, 1)).toEqual(['ann', 'bob', 'cid'])
      expect(await members(bank, group, 2)).toEqual(['ann'])
    }
    await tells()
    const { jobId } = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['cid', 'dan'])
    await tells()
    await said(bank.call('POST', `/jobs/${String(jobId)}/cancel`))
    await bank.apply(group, 'ADD', 'one,two\n')
    await tells()
  })

  it('tells as long as the live revision is the same', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann', 'bob']))
    await bank.apply(group, 'REMOVE', lines(['bob']))
    await older(bank, group, 1000)
    expect(await members(bank, group, 1)).toEqual(['ann', 'bob'])
    await bank.apply(group, 'ADD', lines(['cid']))
    await older(bank, group, 100)
    expect(await members(bank, group, 2)).toEqual(['ann'])
    expect(await members(bank, group, 3)).toEqual(['ann', 'cid'])
  })

  it('refuses where the jobs that made them are no longer kept', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann']))
    for (const id of ['bob', 'cid']) await bank.apply(group, 'ADD', lines([id]))
    const forget = (revision: number) =>
      env.DB.prepare('DELETE FROM jobs WHERE workspace_id = ? AND revision = ?')
        .bind(bank.workspace, revision)
        .run()
    const gone = refused('revision can no longer be told: jobs since then are no longer kept')
    await forget(2)
    expect(await members(bank, group, 2)).toEqual(['ann', 'bob'])
    expect(await at(bank, group, 'ann', 1)).toEqual(gone)
    await forget(3)
    expect(await at(bank, group, 'ann', 2)).toEqual(gone)
    expect(await members(bank, group, 3)).toEqual(['ann', 'bob', 'cid'])
  })

  it('reads ids as files do, and refuses what is no revision', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['jose\u0301']))
    expect(await at(bank, group, encodeURIComponent(' jos\u00e9'), 1)).toMatchObject({
      member: true,
    })
    expect(await at(bank, group, 'ann', '1.5')).toEqual(refused('revision must be a whole number'))
    expect(await at(bank, group, 'ann', -1)).toEqual(refused('revision must be at least 0'))
    const other = await Bank.open()
    expect(await at(other, group, 'ann', 1)).toEqual(
      refused(`groupId ${group} not found or has been marked for deletion`),
    )
  })

  it('forgets whoever was erased, and nobody else', async () => {
    const team = await Team.open()
    const bank = await Bank.open(undefined, team.workspace)
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(['ann', 'bob', 'cid']))
    await bank.apply(group, 'REMOVE', lines(['cid']))
    await team.erase('bob')
    expect(await members(bank, group, 2)).toEqual(['ann'])
    expect(await members(bank, group, 3)).toEqual(['ann'])
  })

  it('may be as old as other look-ups', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann']))
    const path = `/groups/v3/groups/${group}/participants/ann?revision=1`
    const request = () => callWith({ LOOKUP_CACHE_SECONDS: 60 }, path, { headers: bank.headers() })
    expect((await request()).headers.get('age')).toBe('0')
    await bank.apply(group, 'ADD', lines(['bob']))
    await bank.apply(group, 'ADD', lines(['cid']))
    expect(await said(request())).toMatchObject({ status: 200, member: true, revision: 1 })
    expect(await at(bank, group, 'ann', 1)).toEqual(neither(3))
  })

  it('takes one round trip and few rows', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(['ann', 'bob']))
    await bank.apply(group, 'REMOVE', lines(['bob']))
    const { db, meter } = watched()
    const batch = vi.spyOn(db.$client, 'batch')
    const asked = { participant: 'bob', revision: 1 }
    expect(await getMemberAt(db, bank.workspace, group, asked)).toMatchObject({ member: true })
    expect(batch).toHaveBeenCalledTimes(1)
    expect(meter).toMatchObject({ statements: 2, rowsWritten: 0 })
    expect(meter.rowsRead).toBeLessThan(12)
  })
})
