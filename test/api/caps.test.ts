import { describe, expect, it } from 'vitest'
import type { Env } from '../../src/resources.ts'
import { refused, said } from '../support/answers.ts'
import { Bank, json, lines, membersOf } from '../support/api.ts'
import { people } from '../support/audiences.ts'
import { ask, consume, keeping } from '../support/bindings.ts'

/** A bank whose installation has these limits. */
async function limited(vars: Partial<Env>, of?: Bank) {
  const bank = of ?? (await Bank.open())
  const { bound, work } = keeping(vars)
  const to = (method: string, path: string, init: RequestInit = {}) =>
    ask(
      `/groups/v3${path}`,
      {
        ...init,
        method,
        headers: { ...bank.headers(), ...(init.headers as Record<string, string>) },
      },
      bound,
    )
  const upload = (group: string, type: string, ids: string[]) =>
    to('PUT', `/groups/${group}/participants?type=${type}`, {
      body: lines(ids),
      headers: { 'content-type': 'text/csv' },
    })
  const done = async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift())
      await consume('work', [next.message], bound)
  }
  return {
    bank,
    bound,
    work,
    upload,
    done,
    create: (groupName: string) => to('POST', '/groups', json('POST', { groupName })),
    /** Uploads, and gives the job once it has ended. */
    apply: async (group: string, type: string, ids: string[]) => {
      const { jobId } = await said(upload(group, type, ids))
      await done()
      return bank.get(`/jobs/${String(jobId)}`)
    },
  }
}

describe('a workspace', () => {
  it('has so many groups, also where several are created at once', async () => {
    const { bank, create } = await limited({ GROUPS_MAX: 3 })
    const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => said(create(name))))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 400, 400])
    expect(answers).toContainEqual(refused('There cannot be more than 3 groups in a workspace.'))
    expect((await bank.get('/groups'))['page']).toMatchObject({ totalElements: 3 })
  })

  it('may have another group once one is deleted, and a taken name is said', async () => {
    const { bank, create } = await limited({ GROUPS_MAX: 1 })
    const { groupId } = await said(create('a'))
    expect(await said(create('a'))).toEqual(refused('A group with name a already exists.', '2004'))
    await bank.call('DELETE', `/groups/${String(groupId)}`)
    expect(await said(create('b'))).toMatchObject({ status: 200 })
  })

  it('has so many participants in all of its groups, and one more undoes a job', async () => {
    const { bank, apply } = await limited({ MEMBERS_MAX: 10 })
    const [one, two] = [await bank.group(), await bank.group()]
    expect(await apply(one, 'ADD', people('a', 6))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    const job = await apply(two, 'ADD', people('b', 5))
    expect(job).toMatchObject({ jobStatus: 'FAILED', addedCount: 0, successRecordsCount: 0 })
    const { content } = await bank.get(`/jobs/${String(job['jobId'])}/errors`)
    expect(content).toMatchObject([
      {
        lineNbr: 0,
        errorMsg:
          'The groups of the workspace would have more participants than they may together.  ' +
          'Nothing of it was applied.',
      },
    ])
    expect(await membersOf(bank.workspace, two)).toEqual([])
    expect(await bank.count(two)).toBe(0)

    expect(await apply(two, 'ADD', people('b', 4))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await apply(two, 'ADD', people('b', 4))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await apply(one, 'REPLACE', people('c', 6))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await apply(one, 'REPLACE', people('c', 7))).toMatchObject({ jobStatus: 'FAILED' })
    expect(await membersOf(bank.workspace, one)).toEqual(people('c', 6))
    expect(await apply(one, 'REMOVE', people('c', 1))).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await apply(two, 'ADD', ['zoe'])).toMatchObject({ jobStatus: 'SUCCESSFUL' })
  })

  it('may have fewer of them where there are more than the limit', async () => {
    const { bank, apply } = await limited({ MEMBERS_MAX: 12 })
    const group = await bank.group()
    await apply(group, 'ADD', people('a', 12))
    const { apply: lower } = await limited({ MEMBERS_MAX: 5 }, bank)
    expect(await lower(group, 'REPLACE', people('a', 12))).toMatchObject({ removedCount: 0 })
    const [shrunk, grown] = [people('b', 8), people('b', 9)]
    expect(await lower(group, 'REPLACE', shrunk)).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await lower(group, 'REPLACE', grown)).toMatchObject({ jobStatus: 'FAILED' })
    expect(await lower(group, 'REMOVE', people('b', 1))).toMatchObject({ removedCount: 1 })
    expect(await bank.count(group)).toBe(7)
  })

  it('has no more of them where jobs of its groups end at once', async () => {
    const { bank, upload, bound, work } = await limited({ MEMBERS_MAX: 10 })
    const groups = [await bank.group(), await bank.group(), await bank.group()]
    for (const [i, group] of groups.entries())
      expect(await said(upload(group, 'ADD', people(`person-${i}`, 5)))).toMatchObject({
        status: 200,
      })
    await Promise.all(work.splice(0).map(({ message }) => consume('work', [message], bound)))
    const counts = await Promise.all(groups.map((group) => bank.count(group)))
    expect(counts.toSorted()).toEqual([0, 5, 5])
  })

  it('stops a job that alone adds too many, before all is written', async () => {
    const { bank, apply } = await limited({ MEMBERS_MAX: 10, SLICE_BYTES: 200 })
    const group = await bank.group()
    const job = await apply(group, 'ADD', people('person', 500))
    expect(job).toMatchObject({ jobStatus: 'FAILED' })
    expect(Number(job['totalRecordsCount'])).toBeLessThan(100)
    expect(await membersOf(bank.workspace, group)).toEqual([])
  })

  it('has so many bytes of files that wait', async () => {
    const { bank, upload, done } = await limited({ WAITING_BYTES_MAX: 10 })
    const [one, two] = [await bank.group(), await bank.group()]
    expect(await said(upload(one, 'ADD', ['anna', 'bob']))).toMatchObject({ status: 200 })
    const refusal = refused(
      'Files that wait to be applied cannot have more than 10 bytes together: try again later.',
      '2001',
    )
    expect(await said(upload(two, 'ADD', ['anna']))).toEqual(refusal)
    await done()
    expect(await said(upload(two, 'ADD', ['anna']))).toMatchObject({ status: 200 })
    expect(await said(upload(two, 'ADD', people('person', 10)))).toEqual(refusal)
  })
})
