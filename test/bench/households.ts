import { getToken, registerClient } from '../local/api.ts'
import { Platform, type Report, type Run } from '../local/platform.ts'
import { migrate, startServer, type Server } from '../local/server.ts'
import { household } from './one-shot.ts'
import { openStore, writeUsers } from './store.ts'
import { inTurn, request } from './turns.ts'
import { WorkerLog, type Step } from './worker-log.ts'

/** Milliseconds between two polls of a run. */
const every = 50

/** A server whose workspace 1 has users and the definition of their households. */
export interface Town {
  server: Server
  platform: Platform
  token: string
}

/** The same with what it logs, which takes some time of each request. */
export interface Households extends Town {
  log: WorkerLog
}

/** Makes the state of a server that knows these users, without the way through HTTP. */
export async function prepareState(stateDir: string, users: Report[]): Promise<void> {
  await migrate(stateDir)
  const db = openStore(stateDir)
  writeUsers(db, users)
  db.close()
}

export async function openHouseholds(stateDir: string): Promise<Households> {
  const log = new WorkerLog()
  return { ...(await openTown(stateDir, log.add)), log }
}

export async function openTown(stateDir: string, onLine?: (line: string) => void): Promise<Town> {
  const server = await startServer({ stateDir, ...(onLine && { onLine }) })
  const client = await registerClient(server.url, server.adminToken, 'bench')
  const token = await getToken(server.url, client)
  const platform = new Platform(server.url, client, token)
  await platform.define(household)
  return { server, platform, token }
}

export interface Recompute {
  /** From the request for it to SUCCESSFUL. */
  seconds: number
  run: Run
  steps: Step[]
}

/** Throws where the run does not end well or does not seat everybody. */
export async function recompute({ platform, log }: Households, users: number): Promise<Recompute> {
  const start = performance.now()
  const { id } = await platform.recompute(household.id)
  const run = await platform.finished(household.id, id, every)
  const seconds = (performance.now() - start) / 1000
  if (run.status !== 'SUCCESSFUL' || run.users_seated !== users)
    throw new Error(`A run of ${users} users ended as ${JSON.stringify(run)}`)
  return { seconds, run, steps: await log.stepsOf(id, start) }
}

export interface Reads {
  /** Milliseconds of each read, and of each request without a query. */
  profile: number[]
  empty: number[]
  rowsRead: number[]
}

const first = 100

/** Reads users' profiles over one connection, in turn with an empty route. */
export async function readProfiles(
  { server: { url }, token, log }: Households,
  users: string[],
): Promise<Reads> {
  const headers = { Authorization: `Bearer ${token}` }
  const things = [
    () => request(`${url}/nothing`, headers, 404),
    (i: number) => request(`${url}/platform/workspaces/1/users/${users[i]}`, headers, 200),
  ]
  await inTurn(first, things)
  const [empty = [], profile = []] = await inTurn(users.length, things)
  return { profile, empty, rowsRead: await log.rowsRead('/users/:user_id', first + users.length) }
}
