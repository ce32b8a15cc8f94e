import { describe, expect, it } from 'vitest'
import { deleteAudience, getAudience } from '../../src/audiences/audiences.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { createDefinition } from '../../src/identity/definitions.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { getRun } from '../../src/identity/runs.ts'
import { Bank } from '../support/api.ts'
import { addAudience, deliverAll, filling, grouped, jobsIn, teamIs } from '../support/audiences.ts'
import { hazardous, parts } from '../support/hazard.ts'

const inUse = { facts: { reason: 'in-use' } }

describe('a deletion that is refused, as an audience uses the thing', () => {
  it('leaves the uploads of a group, which go on', async () => {
    const { workspace } = await Bank.open()
    const { res, enqueued } = hazardous()
    const { id } = await grouped(res, workspace)
    await addAudience(res, workspace, 'members', { operator: 'in_group', group: id })
    await receiveUpload(res, workspace, id, { createdBy: 'tester', parts: parts('ADD', 'ann\n') })
    await expect(deleteGroup(res, workspace, id)).rejects.toMatchObject(inUse)
    await deliverAll(res, enqueued)
    expect(await jobsIn(workspace)).toMatchObject([{ state: 'successful', added: 1 }])
  })

  it('leaves the run of a definition that waits', async () => {
    const { workspace } = await Bank.open()
    const { res } = hazardous()
    const db = res.databaseOf(workspace)
    const draft = { description: '', source: '$address', attributes: [] }
    await createDefinition(res, workspace, 'household', { draft, by: 'tester' })
    await addAudience(res, workspace, 'neighbours', {
      operator: 'any_member',
      group: 'household',
      expression: teamIs('red'),
    })
    const { id } = await requestRecompute(res, workspace, 'household')
    await expect(deleteDefinition(res, workspace, 'household')).rejects.toMatchObject(inUse)
    expect(await getRun(db, workspace, 'household', id)).toMatchObject({ state: 'waiting' })
  })

  it('leaves an audience its group and its sync', async () => {
    const { workspace } = await Bank.open()
    const { res, enqueued } = hazardous()
    const group = await filling(res, workspace, 'reds', teamIs('red'))
    await addAudience(res, workspace, 'same', { operator: 'in_audience', audience: 'reds' })
    await requestSync(res, workspace, 'reds', { by: 'tester' })
    await expect(deleteAudience(res, workspace, 'reds')).rejects.toMatchObject(inUse)
    const kept = await getAudience(res.databaseOf(workspace), workspace, 'reds')
    expect(kept.group).toBe(group.id)
    await deliverAll(res, enqueued)
    expect(await jobsIn(workspace)).toMatchObject([{ state: 'successful', audience: 'reds' }])
  })
})
