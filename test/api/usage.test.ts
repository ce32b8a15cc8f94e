import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { resources } from '../../src/resources.ts'
import { findUsage } from '../../src/usage.ts'
import { Bank } from '../support/api.ts'
import { teamIs } from '../support/audiences.ts'
import { halves } from '../support/experiments.ts'
import { household, Team } from '../support/identity.ts'
import { openedHooks, hook } from '../support/hooks.ts'
import { newWorkspace } from '../support/workspaces.ts'

it('tells each figure of a workspace beside its cap', async () => {
  const { team, bank } = await openedHooks()
  const [one] = [await bank.group(), await bank.group()]
  await bank.apply(one, 'ADD', 'ann\nbob\n')
  for (const user of ['ann', 'bob', 'cat']) await team.user(user, { team: 'red' })
  await team.define(household)
  await team.audience('reds', teamIs('red'))
  await hook(team)
  await team.send('POST', '/experiments', { id: 'summer', name: 'Summer', variants: halves })
  await (await Bank.open()).group()
  expect(await team.get('/usage')).toEqual({
    groups: { used: 2, cap: 1000 },
    members: { used: 2, cap: 20_000_000 },
    users: { used: 3, cap: 10_000_000 },
    definitions: { used: 1, cap: 1 },
    audiences: { used: 1, cap: 100 },
    webhooks: { used: 1, cap: 20 },
    experiments: { used: 1, cap: 100 },
    exposures: { used: 0, cap: 20_000_000 },
    unended_jobs: { used: 0, cap: 200 },
    waiting_bytes: { used: 0, cap: 53_687_091_200 },
    user_attributes: { used: null, cap: 500 },
    profile_bytes: { used: null, cap: 4_194_304 },
  })
})

it('counts files that wait', async () => {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  const { jobId } = await (
    await bank.upload(await bank.group(), 'ADD', 'ann\n')
  ).json<{ jobId: string }>()
  await bank.ended(jobId)
  await env.DB.prepare('UPDATE jobs SET ended_at = NULL WHERE workspace_id = ?')
    .bind(team.workspace)
    .run()
  expect(await team.get('/usage')).toMatchObject({
    unended_jobs: { used: 1 },
    waiting_bytes: { used: 4 },
  })
})

it('reads two rows a group, and no member and no user', async () => {
  const workspace = newWorkspace()
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
     INSERT INTO experience_groups (id, workspace_id, name, type, platform, created_at, updated_at)
     SELECT 'g' || i, ?1, 'g' || i, '', '', 1, 1 FROM n`,
  )
    .bind(workspace)
    .run()
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
     INSERT INTO users (workspace_id, user_id, created_at) SELECT ?1, i, 1 FROM n`,
  )
    .bind(workspace)
    .run()
  const res = resources(env)
  const before = res.meter.rowsRead
  await findUsage(res.databaseOf(workspace), workspace, res.limits)
  expect(res.meter.rowsRead - before).toBeLessThan(3100)
})
