import { said } from './answers.ts'
import { Bank, eventually, hasEnded, newClient } from './api.ts'
import type { NamedDoor } from './doors.ts'
import { halves } from './experiments.ts'
import { held } from './held.ts'
import { hook, hookScopes, tryOut } from './hooks.ts'
import { household, Team } from './identity.ts'
import { begun } from './tus.ts'

/** What takes long to come about, and the paths that are about it. */
const slow = {
  run: /:group_id|:user_id|:person|\/erasures/,
  import: /:import_id/,
  job: /:groupId|:jobId|:participantId/,
  erasure: /:erasure_id/,
  experiment: /\/experiments/,
  upload: /:uploadId|:upload_id/,
  preview: /:preview_id/,
  webhook: /:webhook_id|:delivery_id/,
  client: /:client_id/,
  correction: /\/corrections/,
}

const isHeld = /:jobId\/(changes|publish|cancel)/

/** A workspace with all that the path of a request may name; given one, with all that it is about. */
export async function settled(
  path?: string,
): Promise<{ team: Team; bank: Bank; ids: Record<string, string> }> {
  const isAbout = (what: keyof typeof slow) => path === undefined || slow[what].test(path)
  const team = await Team.open(hookScopes)
  const bank = await Bank.open(undefined, team.workspace)
  const one = isAbout('webhook') && (await hook(team))
  const other = isAbout('client') && (await newClient(undefined, team.workspace))
  await team.define(household)
  await team.user('1', { $address: '123 Main St', has_dog: true })
  await team.user('2', { $address: '123 Main St' })
  if (isAbout('correction'))
    await said(team.send('PUT', '/groups/household/corrections/2', { value: '123 Main St' }))
  const run = isAbout('run') && (await team.recompute())
  const import_id = isAbout('import') && (await imported(team))
  const [groupId, experience_group] = [await bank.group(), await bank.group()]
  const job = isAbout('job') && (await bank.apply(groupId, 'ADD', 'ann\na,b\n'))
  const toHold = path === undefined || isHeld.test(path) ? ['heldJobId', 'otherHeldJobId'] : []
  const heldJobs = toHold.map(async (name) => {
    const preview = await held(bank, await bank.group(), { type: 'ADD', mode: 'preview' }, ['ann'])
    return [name, String(preview['jobId'])]
  })
  const uploads = isAbout('upload') && (await sentInPieces(team, bank, groupId))
  await team.audience('coupon', { operator: 'equals', attribute: 'has_dog', value: true })
  await team.attach('coupon', experience_group)
  const experiment_id = isAbout('experiment') && (await tested(team, await bank.group()))
  const erasure = isAbout('erasure') && (await team.erase('nobody'))
  // An erasure takes previews along.
  const preview_id = isAbout('preview') && (await previewed(team))
  const ids = {
    ...{ groupId, participantId: 'ann', key: groupId, ...(job && { jobId: String(job['jobId']) }) },
    ...(Object.fromEntries(await Promise.all(heldJobs)) as Record<string, string>), // of names
    ...{ workspace_id: String(team.workspace), group_id: household.id },
    ...{
      user_id: '1',
      corrected_user_id: '2',
      name: 'household:has_dog',
      ...(run && { run_id: String(run['id']) }),
    },
    ...{ person: 'nobody', ...(erasure && { erasure_id: String(erasure['id']) }) },
    ...{ org_id: '10', account_id: '20', mpid: '1', audience_id: 'coupon', experience_group },
    ...(experiment_id && { experiment_id, participant_id: 'ann' }),
    ...(one && { webhook_id: one.id, delivery_id: await tryOut(team, one) }),
    ...(other && { client_id: other.id }),
    ...(import_id && { import_id }),
    ...(preview_id && { preview_id }),
    move_id: 'x',
    ...uploads,
  }
  return { team, bank, ids }
}

async function sentInPieces(
  team: Team,
  bank: Bank,
  group: string,
): Promise<Record<string, string>> {
  const ofGroup = () =>
    begun((...of) => bank.call(...of), `/groups/${group}/uploads`, 4, { type: 'ADD' })
  const ofUsers = () => begun((...of) => team.call(...of), '/users/uploads', 4, {})
  return {
    ...{ uploadId: await ofGroup(), other_uploadId: await ofGroup() },
    ...{ upload_id: await ofUsers(), other_upload_id: await ofUsers() },
  }
}

async function imported(team: Team): Promise<string> {
  const file = { body: 'user_id,color\n1,red\n', headers: { 'content-type': 'text/csv' } }
  const { id, ...answer } = await said(team.call('PUT', '/users', file))
  if (id === undefined) throw new Error(JSON.stringify(answer))
  await eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
  return String(id)
}

async function previewed(team: Team): Promise<string> {
  const draft = { source_user_attribute: '$address' }
  const { id } = await said(team.send('POST', '/groups/preview', draft))
  return String(id)
}

async function tested(team: Team, group_id: string): Promise<string> {
  const draft = { id: 'summer', name: 'Summer', group_id, variants: halves }
  await said(team.send('POST', '/experiments', draft))
  await said(team.call('POST', '/experiments/summer/start'))
  return draft.id
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
