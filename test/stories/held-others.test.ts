import { describe, expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { Bank, lines } from '../support/api.ts'
import { detach, opened, sync } from '../support/coupon.ts'
import { homeDb } from '../support/databases.ts'
import { held, people, published, sent } from '../support/held.ts'
import { hookScopes } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

describe('a sync that would remove too many', () => {
  async function guarded() {
    const { team, bank, group } = await opened()
    await bank.apply(group, 'ADD', lines(people(0, 100)))
    await bank.send('PUT', `/groups/${group}`, { maxRemovePercent: 50 })
    await team.attach('coupon', group)
    const { job_id } = await sync(team)
    const job = await bank.ended(String(job_id))
    expect(job).toMatchObject({
      jobStatus: 'HELD',
      jobDetails: 'Would remove 100 of 100 members, more than 50 %.',
    })
    expect(await bank.count(group)).toBe(100)
    return { team, bank, group, job }
  }

  it('is held, and published with the number', async () => {
    const { bank, group, job } = await guarded()
    expect(await published(bank, job)).toMatchObject({ status: 400 })
    expect(await published(bank, job, { expectedRemoved: 100 })).toMatchObject({
      status: 200,
      jobStatus: 'SUCCESSFUL',
    })
    expect(await bank.count(group)).toBe(Number(job['addedCount']))
    const synced = await homeDb
      .prepare(
        `SELECT data ->> 'removed' AS removed FROM events
        WHERE workspace_id = ? AND type = 'audience.synced'`,
      )
      .bind(bank.workspace)
      .all()
    expect(synced.results).toEqual([{ removed: 100 }])
  })

  it('is cancelled where the audience is detached', async () => {
    const { team, bank, group, job } = await guarded()
    await detach(team)
    const later = await sent(bank, group, { type: 'ADD' }, ['zoe'])
    expect(await bank.ended(later)).toMatchObject({ jobStatus: 'SUCCESSFUL' })
    expect(await bank.ended(String(job['jobId']))).toMatchObject({ jobStatus: 'CANCELLED' })
    expect(await bank.count(group)).toBe(101)
  })
})

describe('an erasure', () => {
  it('waits for no held job of a group without the person', async () => {
    const { team, bank } = await both()
    await held(bank, await bank.group(), { type: 'ADD', mode: 'preview' }, ['bob'])
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(['ann', 'bob']))
    expect(await team.erase('ann')).toMatchObject({ status: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(['bob'])
  })

  it.each(['publish', 'cancel'])('removes whom a held job has, after its %s', async (end) => {
    const { team, bank } = await both()
    const group = await bank.group()
    const { jobId } = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['ann', 'bob'])
    const { id } = await said(team.call('DELETE', '/people/ann'))
    await said(bank.call('POST', `/jobs/${String(jobId)}/${end}`))
    expect(await team.erased(String(id))).toMatchObject({ status: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(end === 'publish' ? ['bob'] : [])
  })

  it('is not held by a guard, nor cancelled', async () => {
    const { team, bank } = await both()
    const group = await bank.group()
    await bank.apply(group, 'ADD', lines(['ann', ...people(0, 99)]))
    await bank.send('PUT', `/groups/${group}`, { maxRemovePercent: 0 })
    const preview = await held(bank, group, { type: 'ADD', mode: 'preview' }, ['bob'])
    const { id } = await said(team.call('DELETE', '/people/ann'))
    const { content } = await bank.get(`/jobs?groupId=${group}&size=1`)
    const [{ jobId = '' } = {}] = content as { jobId?: string }[]
    expect(await said(bank.call('POST', `/jobs/${jobId}/cancel`))).toMatchObject({
      status: 400,
      message: `jobId ${jobId} cannot be cancelled: it removes people who are erased.`,
    })
    await published(bank, preview)
    expect(await team.erased(String(id))).toMatchObject({ status: 'SUCCESSFUL' })
    expect(await bank.members(group)).toEqual(['bob', ...people(0, 99)])
  })
})

/** A team and a bank of one workspace. */
async function both() {
  const team = await Team.open(hookScopes)
  return { team, bank: await Bank.open(undefined, team.workspace) }
}
