import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import type { Env } from '../../src/resources.ts'
import { pageOf, refused, said, uuid } from '../support/answers.ts'
import { Bank, json, lines, newClient, tokenOf, type Json } from '../support/api.ts'
import { opened, synced } from '../support/coupon.ts'
import { callWith } from '../support/door.ts'
import { fused } from '../support/fused.ts'
import { held, people, published, sent } from '../support/held.ts'
import { hookScopes } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

const asked = (bank: Bank, group: string, body?: object): Promise<Json> =>
  said(bank.call('POST', `/groups/${group}/revert`, body === undefined ? {} : json('POST', body)))

/** Asks for a revert, and waits until it is held or has ended. */
async function reverted(bank: Bank, group: string, body?: object): Promise<Json> {
  const { jobId, ...answer } = await asked(bank, group, body)
  if (typeof jobId !== 'string') throw new Error(JSON.stringify(answer))
  return bank.ended(jobId)
}

const four = ['ann', 'bob', 'cid', 'dan']

/** A group of four, of whom and to whom a file then changes some. */
async function changed(type = 'REPLACE', file = ['bob', 'cid', 'eve']) {
  const { bank, group } = await Bank.withGroup('owls', lines(four))
  await bank.apply(group, type, lines(file))
  return { bank, group }
}

describe('POST /groups/{groupId}/revert', () => {
  it.each<[type: string, file: string[], counts: number[]]>([
    ['ADD', ['dan', 'eve', 'fay'], [0, 2, 4]],
    ['REMOVE', ['ann', 'bob', 'nobody'], [2, 0, 2]],
    ['REPLACE', ['bob', 'cid', 'eve'], [2, 1, 2]],
  ])('takes back an %s, and again brings it back', async (type, file, counts) => {
    const { bank, group } = await changed(type, file)
    const after = await bank.members(group)
    const job = await reverted(bank, group)
    expect(job).toMatchObject({ type: 'REVERT', jobStatus: 'SUCCESSFUL', totalRecordsCount: 4 })
    expect([job['addedCount'], job['removedCount'], job['unchangedCount']]).toEqual(counts)
    expect(await bank.members(group)).toEqual(four)
    expect(await bank.count(group)).toBe(4)
    expect(await reverted(bank, group)).toMatchObject({ totalRecordsCount: after.length })
    expect(await bank.members(group)).toEqual(after)
    expect(await bank.count(group)).toBe(after.length)
  })

  it('answers as an upload does', async () => {
    const { bank, group } = await changed()
    const answer = await asked(bank, group)
    const jobId = String(answer['jobId'])
    expect(answer).toEqual({
      ...{ status: 200, code: '1000', jobId: expect.stringMatching(uuid) as string },
      ...{ jobStatus: 'CREATED', type: 'REVERT' },
      message: `Revert of group: ${group} was accepted with jobId: ${jobId}`,
    })
    const job = await bank.ended(jobId)
    expect(job).toMatchObject({
      ...{ inputFileName: 'revision before 2', workingFileName: '2', jobCreatedBy: 'tester' },
      ...{ progressPercent: 100, failedRecordsCount: 0, successRecordsCount: 4 },
    })
    expect(job).not.toHaveProperty('fileSha256')
    const { content } = await pageOf(bank, `/groups/${group}/revisions`)
    expect(content[0]).toMatchObject({
      ...{ revision: 3, jobId, type: 'REVERT', inputFileName: 'revision before 2' },
      ...{ fileSha256: null, addedCount: 2, removedCount: 1, participantCount: 4, live: true },
    })
  })

  it('of the first revision leaves the group empty, as it was', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(four))
    expect(await reverted(bank, group)).toMatchObject({ removedCount: 4, totalRecordsCount: 0 })
    expect(await bank.members(group)).toEqual([])
    await reverted(bank, group)
    expect(await bank.members(group)).toEqual(four)
  })

  it('takes back what went live, whatever failed or was cancelled since', async () => {
    const { bank, group } = await changed()
    await bank.apply(group, 'ADD', 'one,two\n')
    await bank.apply(group, 'REPLACE', lines(['ann', 'gus']) + 'one,two\n'.repeat(3))
    const preview = await held(bank, group, { type: 'REPLACE', mode: 'preview' }, ['ann', 'gus'])
    await said(bank.call('POST', `/jobs/${String(preview['jobId'])}/cancel`))
    expect(await reverted(bank, group)).toMatchObject({ jobStatus: 'SUCCESSFUL', addedCount: 2 })
    expect(await bank.members(group)).toEqual(four)
  })

  it('is previewed, and published or cancelled', async () => {
    const { bank, group } = await changed()
    const preview = () => reverted(bank, group, { mode: 'preview' })
    const one = await preview()
    expect(one).toMatchObject({ jobStatus: 'HELD', jobDetails: 'Preview.', removedCount: 1 })
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'eve'])
    await said(bank.call('POST', `/jobs/${String(one['jobId'])}/cancel`))
    const other = await preview()
    expect(other).toMatchObject({ jobStatus: 'HELD', addedCount: 2, unchangedCount: 2 })
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'eve'])
    expect(await published(bank, other)).toMatchObject({ status: 200, jobStatus: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(four)
  })

  it('is held where it would remove too many', async () => {
    const { bank, group } = await Bank.withGroup('owls', lines(people(0, 50)))
    await bank.apply(group, 'ADD', lines(people(50, 110)))
    const job = await reverted(bank, group, { maxRemovePercent: 50 })
    expect(job).toMatchObject({
      jobStatus: 'HELD',
      jobDetails: 'Would remove 60 of 110 members, more than 50 %.',
    })
    expect(await published(bank, job, { expectedRemoved: 60 })).toMatchObject({ status: 200 })
    expect(await bank.count(group)).toBe(50)
  })

  it('fails where another revision went live before it began', async () => {
    const { bank, group } = await changed()
    const preview = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['fay'])
    const { jobId } = await asked(bank, group)
    await published(bank, preview)
    const job = await bank.ended(String(jobId))
    expect(job).toMatchObject({
      ...{ jobStatus: 'FAILED', addedCount: 0, removedCount: 0, totalRecordsCount: 0 },
      jobDetails: 'Revert failed.  Another revision went live before it began.',
    })
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'eve', 'fay'])
    const { content } = await pageOf(bank, `/jobs/${String(jobId)}/errors`)
    const errorMsg = 'Another revision went live before the revert began.  Nothing was changed.'
    expect(content).toEqual([{ lineNbr: 0, errorMsg, value: null }])
  })

  it('is refused where there is nothing to go back to', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const message = `groupId ${group} cannot be reverted: nothing has changed it yet.`
    expect(await asked(bank, group)).toEqual(refused(message, '2001'))
    await bank.apply(group, 'ADD', 'one,two\n')
    expect(await asked(bank, group)).toEqual(refused(message, '2001'))
  })

  it.each<[body: unknown, message: string]>([
    [{ mode: 'maybe' }, 'mode must be apply or preview'],
    [{ maxRemovePercent: 101 }, 'maxRemovePercent must be a whole number from 0 to 100'],
    [{ maxRemovePercent: '50' }, 'maxRemovePercent must be a whole number from 0 to 100'],
    [[], 'body must be an object'],
  ])('refuses %j', async (body, message) => {
    const bank = await Bank.open()
    const answer = bank.send('POST', `/groups/${await bank.group()}/revert`, body)
    expect(await said(answer)).toEqual(refused(message))
  })

  it('refuses groups that are not there', async () => {
    const { bank, group } = await changed()
    const other = await Bank.open()
    const gone = refused(`groupId ${group} not found or has been marked for deletion`)
    expect(await asked(other, group)).toEqual(gone)
    expect(await asked(other, 'x')).toEqual(refused('Invalid groupId x'))
    await bank.call('DELETE', `/groups/${group}`)
    expect(await asked(bank, group)).toEqual(gone)
  })

  it('is refused while too many jobs of its group wait', async () => {
    const { bank, group } = await changed()
    await held(bank, group, { type: 'ADD', mode: 'preview' }, ['fay'])
    for (let waiting = 1; waiting < 20; waiting++) await sent(bank, group, { type: 'ADD' }, ['gus'])
    const message = 'There are import jobs in process, need to wait for them to finish.'
    expect(await asked(bank, group)).toEqual(refused(message, '2001'))
  })

  it('takes back a sync, also while its audience fills the group', async () => {
    const { team, bank, group } = await opened()
    await bank.apply(group, 'ADD', lines(['bob', 'old']))
    await team.attach('coupon', group)
    await synced(team, bank)
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
    expect(await reverted(bank, group)).toMatchObject({ addedCount: 1, removedCount: 1 })
    expect(await bank.members(group)).toEqual(['bob', 'old'])
    await synced(team, bank)
    expect(await bank.members(group)).toEqual(['ann', 'bob'])
  })
})

describe('a revert whose request dies once it is opened', () => {
  it('goes on as soon as the request is repeated', async () => {
    const { bank, group } = await changed()
    const ask = async (vars: Partial<Env> = {}) =>
      callWith(vars, `/groups/v3/groups/${group}/revert`, {
        method: 'POST',
        headers: { ...bank.headers(), 'idempotency-key': 'once' },
      })
    for (let at = 0, opened = false; !opened; at++) {
      const { db } = fused({ at, when: 'after', lasting: true })
      expect((await ask({ DB: db })).status).toBe(500)
      opened = JSON.stringify(await bank.get(`/jobs?groupId=${group}`)).includes('REVERT')
    }
    const { jobId } = await said(ask())
    expect(await bank.ended(String(jobId))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(four)
  })
})

describe('a revert and an erasure', () => {
  async function scene() {
    const team = await Team.open(hookScopes)
    const bank = await Bank.open(undefined, team.workspace)
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(four))
    return { team, bank, group }
  }

  it('never bring back who is erased', async () => {
    const { team, bank, group } = await scene()
    await bank.apply(group, 'REMOVE', lines(['ann', 'bob']))
    await team.erase('ann')
    expect(await reverted(bank, group)).toMatchObject({ addedCount: 1 })
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'dan'])
  })

  it('are refused where the erasure is what is live', async () => {
    const { team, bank, group } = await scene()
    await team.erase('ann')
    const problem = 'its live revision removed people who are erased'
    const message = `groupId ${group} cannot be reverted: ${problem}.`
    expect(await asked(bank, group)).toEqual(refused(message, '2001'))
    await bank.apply(group, 'ADD', lines(['eve']))
    await reverted(bank, group)
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'dan'])
  })

  it('remove whom a held revert would bring back', async () => {
    for (const end of ['publish', 'cancel']) {
      const { team, bank, group } = await scene()
      await bank.apply(group, 'REMOVE', lines(['ann', 'bob']))
      const { jobId } = await reverted(bank, group, { mode: 'preview' })
      const { id } = await said(team.call('DELETE', '/people/ann'))
      await said(bank.call('POST', `/jobs/${String(jobId)}/${end}`))
      expect(await team.erased(String(id))).toMatchObject({ status: 'SUCCESSFUL' })
      const after = end === 'publish' ? ['bob', 'cid', 'dan'] : ['cid', 'dan']
      expect(await bank.members(group)).toEqual(after)
      const rows = env.DB.prepare(
        `SELECT count(*) AS n FROM members WHERE workspace_id = ? AND participant_id = 'ann'`,
      )
      expect(await rows.bind(bank.workspace).first('n')).toBe(0)
    }
  })

  it('forget that somebody who has come back was there before', async () => {
    const { team, bank, group } = await scene()
    await bank.apply(group, 'REMOVE', lines(['ann', 'bob']))
    const other = await bank.group()
    const waits = await held(bank, other, { type: 'ADD', mode: 'preview' }, ['ann'])
    const { id } = await said(team.call('DELETE', '/people/ann'))
    const again = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann'])
    await published(bank, waits)
    await team.erased(String(id))
    await said(bank.call('POST', `/jobs/${String(again['jobId'])}/cancel`))
    expect(await reverted(bank, group)).toMatchObject({ addedCount: 1 })
    expect(await bank.members(group)).toEqual(['bob', 'cid', 'dan'])
  })
})

describe('the events of a revert', () => {
  it('tell what it has reverted, and who has asked', async () => {
    const { bank, group } = await changed()
    const client = await newClient(undefined, bank.workspace, { name: 'till' })
    const headers = { authorization: `Bearer ${await tokenOf(client)}` }
    const { jobId } = await said(bank.call('POST', `/groups/${group}/revert`, { headers }))
    await bank.ended(String(jobId))
    const { results } = await env.DB.prepare(
      `SELECT type, data, object_id AS object, actor ->> 'name' AS name FROM events
        WHERE workspace_id = ? AND data ->> 'job_id' = ? ORDER BY key`,
    )
      .bind(bank.workspace, jobId)
      .all<{ type: string; data: string; object: string; name: string }>()
    const of = { group_id: group, job_id: jobId }
    expect(
      results.map(({ data, ...event }) => ({ ...event, data: JSON.parse(data) as Json })),
    ).toEqual([
      { type: 'job.created', name: 'till', object: jobId, data: { ...of, type: 'REVERT' } },
      {
        ...{ type: 'group.participants.changed', name: 'till', object: group },
        data: { ...of, type: 'REVERT', revision: 3, added: 2, removed: 1, unchanged: 2, failed: 0 },
      },
      {
        ...{ type: 'group.reverted', name: 'till', object: group },
        data: { ...of, reverted: 2, revision: 3 },
      },
    ])
  })
})
