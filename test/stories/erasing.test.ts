import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { eraseGroup } from '../../src/experience/erase.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { eraseDefinition } from '../../src/identity/erase.ts'
import { Bank } from '../support/api.ts'
import { grouped } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { household, Team } from '../support/identity.ts'

const keyOf = (table: string, workspace: number) =>
  homeDb
    .prepare(`SELECT key FROM ${table} WHERE workspace_id = ?`)
    .bind(workspace)
    .first<number>('key')
    .then(Number)

describe('a message to erase what nobody has deleted', () => {
  it('leaves a group with its members and jobs', async () => {
    const bank = await Bank.open()
    const group = await bank.group()
    const { jobId } = await bank.apply(group, 'ADD', 'ann\nbob,x\n')
    const { res } = hazardous()
    await eraseGroup(res, bank.workspace, await keyOf('experience_groups', bank.workspace))
    expect(await bank.get(`/groups/${group}/participants/ann`)).toMatchObject({ member: true })
    expect(await bank.get(`/jobs/${jobId}/errors`)).toMatchObject({ page: { totalElements: 1 } })
  })

  it('leaves a definition with its households and runs', async () => {
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: 'Elm Street', has_dog: true })
    const run = await team.recompute()
    const before = await team.profile('ann')
    const { res } = hazardous()
    await eraseDefinition(res, team.workspace, await keyOf('group_definitions', team.workspace))
    expect(await team.profile('ann')).toEqual(before)
    expect(await team.get('/groups/household/runs')).toEqual([run])
  })

  it('leaves what another workspace has deleted', async () => {
    const { res } = hazardous()
    const bank = await Bank.open()
    const { id, key } = await grouped(res, bank.workspace)
    await deleteGroup(res, bank.workspace, id)
    await eraseGroup(res, bank.workspace + 1, key)
    expect(await keyOf('experience_groups', bank.workspace)).toBe(key)
  })
})

describe('a deleted group of more jobs than one step takes', () => {
  it('leaves no file and no rule of any of them', async () => {
    const { res } = hazardous()
    const bank = await Bank.open()
    const { workspace } = bank
    const { id, key } = await grouped(res, workspace)
    const jobs = Array.from({ length: 120 }, (_, i) => `uploads/${workspace}/${i}.csv`)
    await homeDb
      .prepare(
        `INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name,
         file_key, file_size, slice_bytes,
         created_by, created_at, updated_at, ended_at)
       SELECT ?1 || ' ' || key, ?1, ?2, key + 1, 'add', 'failed', 'old', value, 1, 1, 'tester', 1, 1, 1
       FROM json_each(?3)`,
      )
      .bind(workspace, key, JSON.stringify(jobs))
      .run()

    await homeDb
      .prepare(
        `INSERT INTO sync_rules (job_key, rule) SELECT key, '{}' FROM jobs WHERE group_key = ?`,
      )
      .bind(key)
      .run()
    await Promise.all(jobs.map((file) => env.FILES.put(file, 'ann\n')))
    await deleteGroup(res, workspace, id)
    await eraseGroup(res, workspace, key)
    expect((await env.FILES.list({ prefix: `uploads/${workspace}/` })).objects).toEqual([])
    expect(await homeDb.prepare('SELECT count(*) AS n FROM sync_rules').first('n')).toBe(0)
    expect(await keyOf('experience_groups', workspace)).toBe(0)
  })
})
