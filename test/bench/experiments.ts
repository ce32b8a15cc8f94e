import { createHash, randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getToken, registerClient } from '../local/api.ts'
import { Platform } from '../local/platform.ts'
import { startServer, type Server } from '../local/server.ts'
import { download, timed } from './exported.ts'
import { prepareGroups, randomGroups, type FullGroup } from './groups.ts'
import { loadInTurn, type Load, type Target } from './load.ts'
import { check, memberRequests, membershipsOf, post, type Question } from './questions.ts'
import { median, type Row } from './row.ts'
import { WorkerLog } from './worker-log.ts'

const full = { members: 1_000_000, groups: 50, rounds: 3, seconds: 5, exported: 1_000_000 }

/** Different requests in one turn, and how many are checked beforehand. */
const questions = 1000
const checked = 100
const number = new Intl.NumberFormat('en')

/** Variants beside look-ups of the same members; and all variants of a large group, as a file and counted. */
export async function experiments(folder: string, size = full): Promise<Row[]> {
  return [...(await assigned(join(folder, 'state'), size)), ...(await whole(folder, size))]
}

const variants = [
  { id: 'control', weight: 5000, value: 'blue' },
  { id: 'treatment', weight: 5000, value: 'green' },
]

/** The variant of a key in such an experiment, by another MD5 than the Worker's. */
function armOf(experiment: string, key: string): string {
  const digest = createHash('md5').update(`split-${experiment}-v1-${key}`).digest()
  return digest.readUInt32BE(0) % 10_000 < 5000 ? 'control' : 'treatment'
}

const begin = async (platform: Platform, { id, name }: FullGroup): Promise<void> => {
  const experiment = experimentOf(name)
  await platform.createExperiment({
    ...{ id: experiment, name, group_id: id, variants, traffic: 10_000 },
  })
  await platform.startExperiment(experiment)
  await platform.balance(experiment)
}

const experimentOf = (group: string) => `of-${group}`

const note = `Twenty connections as for look-ups, each group with an experiment that runs; 100 at once are
members of one group, asked about that group or its experiment. Both are of the same run, in turn.`

async function assigned(stateDir: string, size: typeof full): Promise<Row[]> {
  const groups = randomGroups(size.groups, size.members)
  await prepareGroups(stateDir, groups)
  const server = await startServer({ stateDir })
  const { platform, headers } = await enter(server)
  for (const group of groups) await begin(platform, group)
  const [member, variant, memberships, assignments] = await loadInTurn(
    [
      await target(server, memberRequests(groups, headers, questions)),
      await target(server, armRequests(groups, headers)),
      await target(server, atOnce(groups, headers, membershipsOf)),
      await target(server, atOnce(groups, headers, armsOf)),
    ],
    size,
  )
  await server.stop()
  return [
    ...loadRows('variant of a participant', variant, member),
    ...loadRows('variants of 100 at once', assignments, memberships),
  ]
}

async function enter({ url, adminToken }: Server) {
  const client = await registerClient(url, adminToken, 'bench')
  const token = await getToken(url, client)
  const headers = { Authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() }
  return { token, headers, platform: new Platform(url, client, token) }
}

const below = '/platform/workspaces/1/experiments'

type Headers = Question['headers']

function someOf(groups: FullGroup[], count: number): { group: FullGroup; participants: string[] } {
  const group = groups[randomInt(groups.length)]
  if (group === undefined) throw new Error('There is no group')
  const one = () => group.participants[randomInt(group.participants.length)] ?? ''
  return { group, participants: Array.from({ length: count }, one) }
}

const armRequests = (groups: FullGroup[], headers: Headers): Question[] =>
  Array.from({ length: questions }, () => {
    const { group, participants } = someOf(groups, 1)
    const experiment = experimentOf(group.name)
    const [participant = ''] = participants
    return {
      path: `${below}/${experiment}/assignments/${participant}`,
      headers,
      expected: { variant: armOf(experiment, participant), reason: 'SPLIT' },
    }
  })

const atOnce = (
  groups: FullGroup[],
  headers: Headers,
  ask: (headers: Headers, group: FullGroup, participants: string[]) => Question,
): Question[] =>
  Array.from({ length: questions / 10 }, () => {
    const { group, participants } = someOf(groups, 100)
    return ask(headers, group, participants)
  })

function armsOf(headers: Headers, group: FullGroup, participants: string[]): Question {
  const experiment = experimentOf(group.name)
  const assignments = participants.map((participant_id) => {
    const variant = armOf(experiment, participant_id)
    const { value } = variants.find(({ id }) => id === variant) ?? {}
    return { participant_id, experiments: { [experiment]: { variant, value, reason: 'SPLIT' } } }
  })
  const body = { participant_ids: participants, experiment_ids: [experiment] }
  return post(`${below}/assignments`, headers, body, { assignments })
}

async function target({ url }: Server, asked: Question[]): Promise<Target> {
  await check(url, asked.slice(0, checked))
  return { url, requests: asked.map(({ expected: _, ...request }) => request) }
}

function loadRows(what: string, measured: Load | undefined, baseline: Load | undefined): Row[] {
  if (measured === undefined || baseline === undefined) return []
  const beside = 'look-up'
  const times = { beside, unit: 'ms', by: 'difference' } as const
  return [
    {
      figure: `${what}: requests`,
      measured: measured.requestsPerSecond,
      baseline: baseline.requestsPerSecond,
      ...{ beside, unit: '/s', by: 'ratio', least: 0.9, note },
    },
    { ...times, figure: `${what}: median`, measured: measured.median, baseline: baseline.median },
    {
      ...times,
      figure: `${what}: 99th percentile`,
      measured: measured.high,
      baseline: baseline.high,
    },
  ]
}

/** A large group: its file with variants beside that of ids alone, and its balance. */
async function whole(folder: string, { exported, rounds }: typeof full): Promise<Row[]> {
  const stateDir = join(folder, 'whole')
  const [plain, withArms] = [join(folder, 'ids.csv'), join(folder, 'arms.csv')]
  const groups = randomGroups(1, exported)
  await prepareGroups(stateDir, groups)
  const log = new WorkerLog()
  const server = await startServer({ stateDir, onLine: log.add })
  const { platform, token } = await enter(server)
  const [group] = groups
  if (group === undefined) throw new Error('There is no group')
  await begin(platform, group)
  const experiment = experimentOf(group.name)

  const files = { ids: [] as number[], arms: [] as number[] }
  const counts: { seconds: number; longest: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const ids = `${server.url}/groups/v3/groups/${group.id}/participants`
    files.ids.push(await timed(() => download(ids, token, plain)))
    const arms = `${server.url}${below}/${experiment}/assignments`
    files.arms.push(await timed(() => download(arms, token, withArms)))
    counts.push(await balanced(platform, log, { experiment, members: exported }))
  }
  await server.stop()
  checkArms(experiment, plain, withArms)
  return [
    {
      figure: `export of ${number.format(exported)} with variants`,
      measured: median(files.arms),
      baseline: median(files.ids),
      ...{ beside: 'ids alone', unit: 's', by: 'ratio', most: 1.5 },
    },
    {
      figure: `balance of ${number.format(exported)}`,
      measured: median(counts.map(({ seconds }) => seconds)),
      baseline: median(files.arms),
      ...{ beside: 'export with variants', unit: 's', by: 'itself', most: 10 },
    },
    {
      figure: 'longest step of a balance',
      measured: Math.max(...counts.map(({ longest }) => longest)),
      baseline: 0,
      ...{ beside: 'nothing', unit: 'ms', by: 'itself', most: 100 },
    },
  ]
}

/** A figure counts only if everybody is counted. */
async function balanced(
  platform: Platform,
  log: WorkerLog,
  { experiment, members }: { experiment: string; members: number },
): Promise<{ seconds: number; longest: number }> {
  log.forget()
  const start = performance.now()
  await platform.requestBalance(experiment)
  const counted = await platform.balance(experiment)
  const seconds = (performance.now() - start) / 1000
  const drawn = counted.variants.reduce((sum, { observed }) => sum + observed, 0)
  if (counted.members !== members || drawn !== members || counted.srm)
    throw new Error(`Of ${members} members, the balance is ${JSON.stringify(counted)}`)
  return { seconds, longest: await log.longestOfBalance(experiment) }
}

function checkArms(experiment: string, plain: string, withArms: string): void {
  const [, ...ids] = readFileSync(plain, 'utf8').trimEnd().split('\n')
  const expected = ids.map((id) => `${id},${armOf(experiment, id)}\n`).join('')
  if (readFileSync(withArms, 'utf8') !== `participant_id,variant\n${expected}`)
    throw new Error('The export has other variants than MD5 says')
}
