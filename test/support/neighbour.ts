import { Bank, call, eventually, json, type Json } from './api.ts'
import { groupDoors, knock, workspaceDoors } from './doors.ts'
import { hook, hookScopes, tryOut } from './hooks.ts'
import { cron, mondayIn, Team } from './identity.ts'
import { tables } from './store.ts'
import { allWritten } from './taken.ts'
import { begun } from './tus.ts'
import { databaseOf } from './databases.ts'

/** Stands in what a neighbour keeps, and so in no answer to others. */
export const mark = 'theirs-alone'

const household = {
  id: 'household',
  description: mark,
  source_user_attribute: 'street',
  attributes: [{ id: 'has_dog', type: 'boolean_or' }],
}
const owners = { operator: 'equals', attribute: 'household:has_dog', value: true }
const csv = { 'content-type': 'text/csv' }
const day = 86_400_000

/** A workspace whose clients behave well, and all that they are answered. */
export class Neighbour {
  readonly team: Team
  readonly bank: Bank
  readonly ids: Record<string, string>
  readonly answers: Record<string, string> = {}
  private constructor(team: Team, bank: Bank) {
    this.team = team
    this.bank = bank
    this.ids = {
      ...{ workspace_id: String(team.workspace), participantId: 'ann', user_id: 'ann', mpid: '5' },
      participant_id: 'ann',
      ...{ org_id: '1', account_id: '2', name: 'household:has_dog', person: 'ann' },
      ...{ client_id: team.client.id, token: team.token },
    }
  }

  static async open(): Promise<Neighbour> {
    const team = await Team.open(hookScopes)
    const bank = await Bank.open(undefined, team.workspace)
    // A guess at its secret is told of once an hour: no other is in this history.
    await call('/v2/events', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${team.client.id}:guess`)}` },
    })
    const db = await databaseOf(team.workspace)
    const told = db.prepare('SELECT count(*) AS n FROM events WHERE workspace_id = ?')
    await eventually(
      () => told.bind(team.workspace).first('n'),
      (n) => n === 1,
    )
    return new Neighbour(team, bank)
  }

  /** Keeps an answer, and gives it. */
  async told(what: string, answering: Promise<Response>): Promise<Json> {
    const answer = await answering
    const text = await answer.text()
    this.answers[what] = `${answer.status} ${text}`
    return text.startsWith('{') ? (JSON.parse(text) as Json) : {}
  }

  /** Waits until nothing of it is under way. */
  async settled(): Promise<void> {
    await allWritten()
    const db = await databaseOf(this.team.workspace)
    const underWay = db.prepare(`SELECT
      (SELECT count(*) FROM jobs WHERE workspace_id = ?1 AND ended_at IS NULL)
      + (SELECT count(*) FROM recompute_runs WHERE workspace_id = ?1 AND ended_at IS NULL)
      + (SELECT count(*) FROM group_marks AS m JOIN group_definitions AS d
        ON d.key = m.definition_key WHERE d.workspace_id = ?1)
      + (SELECT count(*) FROM erasures WHERE workspace_id = ?1 AND ended_at IS NULL)
      + (SELECT count(*) FROM deliveries WHERE workspace_id = ?1 AND state = 'pending') AS n`)
    await eventually(
      () => underWay.bind(this.team.workspace).first('n'),
      (n) => n === 0,
    )
  }
}

type Step = (of: Neighbour) => Promise<unknown>

const upload =
  (group: string, type: string, file: string): Step =>
  async (of) => {
    const path = `/groups/${of.ids[group] ?? ''}/participants?type=${type}`
    const { jobId } = await of.told(
      `${type} to ${group}`,
      of.bank.call('PUT', path, { body: file, headers: csv }),
    )
    of.ids['jobId'] = String(jobId)
  }

const revert: Step = async (of) => {
  const path = `/groups/${of.ids['owls'] ?? ''}/revert`
  const { jobId } = await of.told('revert', of.bank.call('POST', path))
  of.ids['jobId'] = String(jobId)
}

/** Begins files in pieces, of which nothing comes. */
const uploadInPieces: Step = async (of) => {
  const { bank, team, ids } = of
  const toGroup = `/groups/${ids['owls'] ?? ''}/uploads`
  ids['uploadId'] = await begun((...call) => bank.call(...call), toGroup, 4, { type: 'ADD' })
  ids['upload_id'] = await begun((...call) => team.call(...call), '/users/uploads', 4, {})
}

/** What it does, one thing after the other. */
export const history: Step[] = [
  async (of) => {
    const draft = { groupName: 'owls', groupDescription: mark }
    const owls = await of.told('owls', of.bank.send('POST', '/groups', draft))
    const larks = await of.told('larks', of.bank.send('POST', '/groups', { groupName: 'larks' }))
    Object.assign(of.ids, { owls: owls['groupId'], larks: larks['groupId'], key: 'owls' })
    Object.assign(of.ids, { groupId: owls['groupId'], experience_group: larks['groupId'] })
  },
  async (of) => {
    const one = await hook(of.team, { description: mark })
    of.ids['webhook_id'] = one.id
    of.ids['delivery_id'] = await tryOut(of.team, one)
  },
  upload('owls', 'ADD', `ParticipantId\nann\nbob\ncid\na,b\n${mark}\n`),
  async (of) => {
    await of.told('definition', of.team.send('POST', '/groups', household))
    of.ids['group_id'] = household.id
    const attributes = { street: mark, has_dog: true }
    await of.told('a user', of.team.send('PUT', '/users/ann', { user_attributes: attributes }))
    const batch = { environment: 'production', user_attributes: { street: mark, age: 7 } }
    const events = [
      { ...batch, user_identities: { customer_id: 'bob' } },
      { ...batch, mpid: 5 },
    ]
    await of.told('events', of.team.report(events, '/v2/bulkevents'))
  },
  async (of) => {
    const body = `user_id,street,plan\ncid,elm,gold\ndan,elm,${mark}\na,b\n`
    const file = await of.told('a file', of.team.call('PUT', '/users', { body, headers: csv }))
    of.ids['import_id'] = String(file['id'])
  },
  async (of) => {
    const run = await of.told('recompute', of.team.call('POST', '/groups/household/recompute'))
    of.ids['run_id'] = String(run['id'])
  },
  async (of) => {
    const path = '/groups/household/corrections'
    const put = (user: string, what: object) => of.team.send('PUT', `${path}/${user}`, what)
    await of.told('alone', put('bob', { alone: true, reason: mark }))
    await of.told('with', put('dan', { with: 'ann' }))
    await of.told('value', put('5', { value: 'oak' }))
    await of.told('taken back', of.team.call('DELETE', `${path}/bob`))
    of.ids['corrected_user_id'] = 'dan'
  },
  async (of) => {
    const draft = { id: 'coupon', name: mark, rule: owners, refresh: 'daily' }
    await of.told('audience', of.team.send('POST', '/audiences', draft))
    of.ids['audience_id'] = 'coupon'
    const path = '/audiences/coupon/experience-group'
    await of.told('attach', of.team.send('PUT', path, { groupId: of.ids['larks'] }))
    await of.told('sync', of.team.call('POST', '/audiences/coupon/sync'))
  },
  async (of) => {
    const variants = [
      { id: 'red', weight: 2500, value: mark, forced: ['ann'] },
      { id: 'blue', weight: 7500 },
    ]
    const draft = { id: 'summer', name: mark, group_id: of.ids['owls'], variants }
    await of.told('experiment', of.team.send('POST', '/experiments', draft))
    of.ids['experiment_id'] = 'summer'
    await of.told('start', of.team.call('POST', '/experiments/summer/start'))
    // Counted before anything else changes, as a balance is of its moment.
    await eventually(
      () => of.team.get('/experiments/summer/balance'),
      ({ status }) => status === 'complete',
    )
    await of.told('traffic', of.team.send('PUT', '/experiments/summer', { traffic: 500 }))
    const exposed = { experiment_id: 'summer', participant_id: 'bob', variant: 'blue' }
    const exposures = [{ ...exposed, at: '2026-03-01T10:00:00Z' }]
    await of.told('exposure', of.team.send('POST', '/experiments/exposures', { exposures }))
  },
  upload('owls', 'REPLACE', 'ann\ndan\n'),
  upload('owls', 'REMOVE', 'ann\nzoe\n'),
  revert,
  revert,
  uploadInPieces,
  async (of) => {
    await of.told('deletion', of.team.call('DELETE', '/users/cid'))
    for (const [one, user_attributes] of [
      ['ann', { has_dog: false }],
      ['dan', { street: 'oak' }],
    ] as const)
      await of.told(`change of ${one}`, of.team.send('PATCH', `/users/${one}`, { user_attributes }))
  },
  async (of) => {
    const erasure = await of.told('erasure', of.team.call('DELETE', '/people/cid'))
    of.ids['erasure_id'] = String(erasure['id'])
  },
  () => cron('*/5 * * * *', Date.now()),
  () => cron('0 3 * * MON', mondayIn(1)),
  () => cron('0 4 * * *', Date.now() + day),
]

const reads = [...groupDoors, ...workspaceDoors].filter(
  ({ method, template }) => method === 'GET' && !/^\/(v3|digitalbanking)\//.test(template),
)

/** All that it can ask at the end, and how many rows of each kind it has. */
export async function lastAnswers(of: Neighbour): Promise<Record<string, string>> {
  const { bank, team, ids } = of
  const authorization = `Bearer ${team.token}`
  const draft = { source_user_attribute: 'street', matching: 'normalized' }
  const preview = await of.told('preview', team.send('POST', '/groups/preview', draft))
  ids['preview_id'] = String(preview['id'])
  for (const door of reads)
    await of.told(door.name, knock(door, { ...bank.headers(), authorization }, ids))
  const larks = ids['larks'] ?? ''
  await of.told('members of larks', bank.call('GET', `/groups/${larks}/participants`))
  for (const one of ['bob', '5', 'cid', 'dan'])
    await of.told(one, team.call('GET', `/users/${one}`))
  const participantIds = ['ann', 'bob', 'dan', 'zoe']
  await of.told('memberships', bank.send('POST', '/memberships', { participantIds }))
  const participant_ids = participantIds
  await of.told('assignments', team.send('POST', '/experiments/assignments', { participant_ids }))
  const asked = json('POST', { context: { targetingKey: 'ann' } })
  const headers = { ...(asked.headers as Record<string, string>), authorization }
  for (const [what, path] of Object.entries({
    ...{ flags: '', owls: '/owls', larks: `/${larks}`, summer: '/summer' },
  }))
    await of.told(`flag ${what}`, call(`/ofrep/v1/evaluate/flags${path}`, { ...asked, headers }))
  of.answers['rows'] = await rowsOf(team.workspace)
  return unnamed(of)
}

async function rowsOf(workspace: number): Promise<string> {
  const db = await databaseOf(workspace)
  const counts = await Promise.all(
    (await tables()).map(async (table) => {
      if (table.endsWith('places')) return [] // only of shard 0, where the directory is
      const columns = db.prepare('SELECT 1 FROM pragma_table_info(?) WHERE name = ?')
      if ((await columns.bind(table, 'workspace_id').first()) === null) return []
      const rows = db.prepare(`SELECT count(*) AS n FROM ${table} WHERE workspace_id = ?`)
      return [`${table} ${String(await rows.bind(workspace).first('n'))}`]
    }),
  )
  return counts.flat().join(', ')
}

/** Its answers without what each workspace has of its own: ids, moments, secrets. */
const unnamed = ({ answers, team }: Neighbour): Record<string, string> =>
  Object.fromEntries(
    Object.entries(answers).map(([what, answer]) => [
      what,
      answer
        .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'id')
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, 'moment')
        .replace(/"[\w.-]{43,}"/g, 'hash')
        .replace(/"duration_ms":\d+/g, 'duration')
        .replace(/whsec_[\w+/=]+/g, 'secret')
        .replaceAll(`workspaces/${team.workspace}`, 'workspace'),
    ]),
  )
