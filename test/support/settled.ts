import { said } from './answers.ts'
import { Bank, eventually, hasEnded, newClient } from './api.ts'
import type { NamedDoor } from './doors.ts'
import { halves } from './experiments.ts'
import { hook, hookScopes, tryOut } from './hooks.ts'
import { household, Team } from './identity.ts'

/** A workspace with all that the path of a request may name. */
export async function settled(): Promise<{ team: Team; bank: Bank; ids: Record<string, string> }> {
  const team = await Team.open(hookScopes)
  const bank = await Bank.open(undefined, team.workspace)
  const one = await hook(team)
  const other = await newClient(undefined, team.workspace)
  await team.define(household)
  await team.user('1', { $address: '123 Main St', has_dog: true })
  const run = await team.recompute()
  const file = { body: 'user_id,color\n1,red\n', headers: { 'content-type': 'text/csv' } }
  const { id: import_id, ...imported } = await said(team.call('PUT', '/users', file))
  if (import_id === undefined) throw new Error(JSON.stringify(imported))
  await eventually(() => team.get(`/imports/${String(import_id)}`), hasEnded)
  const [groupId, experience_group] = [await bank.group(), await bank.group()]
  const { jobId } = await bank.apply(groupId, 'ADD', 'ann\na,b\n')
  await team.audience('coupon', { operator: 'equals', attribute: 'has_dog', value: true })
  await team.attach('coupon', experience_group)
  const tested = { group_id: await bank.group(), variants: halves }
  await said(team.send('POST', '/experiments', { id: 'summer', name: 'Summer', ...tested }))
  await said(team.call('POST', '/experiments/summer/start'))
  const { id: erasure_id } = await team.erase('nobody')
  const ids = {
    ...{ groupId, jobId: String(jobId), participantId: 'ann', key: groupId },
    ...{ workspace_id: String(team.workspace), group_id: household.id, run_id: String(run['id']) },
    ...{ import_id: String(import_id), user_id: '1', name: 'household:has_dog' },
    ...{ person: 'nobody', erasure_id: String(erasure_id) },
    ...{ org_id: '10', account_id: '20', mpid: '1', audience_id: 'coupon', experience_group },
    ...{ experiment_id: 'summer' },
    ...{ webhook_id: one.id, delivery_id: await tryOut(team, one), client_id: other.id },
  }
  return { team, bank, ids }
}

/** Makes room in such a workspace for what a door does. */
export async function readied({ method, template }: NamedDoor, team: Team): Promise<void> {
  if (method === 'POST' && /workspace_id\/groups$/.test(template))
    await team.call('DELETE', '/groups/household')
  if (template.endsWith('/:experiment_id/start'))
    await team.call('POST', '/experiments/summer/pause')
  if (method === 'DELETE' && template.endsWith('/:experiment_id'))
    await team.call('POST', '/experiments/summer/end')
}
