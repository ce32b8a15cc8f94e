import { describe, expect, it } from 'vitest'
import { attachAudience, detachAudience } from '../../src/audiences/attach.ts'
import { filling, grouped, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { newWorkspace } from '../support/workspaces.ts'

describe('the event of an audience that is detached', () => {
  it('names the group that it filled at last', async () => {
    const [at, { res, meanwhile }] = [newWorkspace(), hazardous()]
    await filling(res, at, 'reds', teamIs('red'))
    const other = await grouped(res, at)
    meanwhile(async () => {
      meanwhile(undefined)
      await attachAudience(hazardous().res, at, 'reds', other.id)
    })
    await detachAudience(res, at, 'reds')
    const { results } = await homeDb
      .prepare("SELECT data FROM events WHERE workspace_id = ? AND type = 'audience.detached'")
      .bind(at)
      .all<{ data: string }>()
    const named = { audience_id: 'reds', group_id: other.id }
    expect(results.map(({ data }) => JSON.parse(data) as object)).toEqual([named])
  })
})
