import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Report } from '../local/platform.ts'
import { checkFormed, rowsSince } from './formed.ts'
import {
  openHouseholds,
  prepareState,
  readProfiles,
  recompute,
  type Reads,
  type Recompute,
} from './households.ts'
import { mondayRows } from './monday-rows.ts'
import { formAtOnce } from './one-shot.ts'
import { randomChanges, randomUsers } from './population.ts'
import type { Row } from './row.ts'
import { newStore, writeUsers } from './store.ts'

/** Three weeks of a server's households, and what they are measured by. */
export interface Round {
  /** Seconds. */
  oneShot: number
  fromNothing: Recompute
  unchanged: Recompute
  changed: Recompute
  usersChanged: number
  /** Between the groups before and after those changes. */
  rowsThatDiffer: number
  reads: Reads
}

export interface Size {
  users: number
  fromNothing: Recompute
}

const full = { users: 300_000, rounds: 3, reads: 1000, small: 100_000, large: 1_000_000 }

/** Households form, in weeks without and with changes, of ever more users; profiles are read. */
export async function mondays(
  folder: string,
  { users, rounds, reads, small, large } = full,
): Promise<Row[]> {
  const start = prepare(folder, users)
  const all: Round[] = []
  for (let i = 1; i <= rounds; i++)
    all.push(await round(join(folder, `round-${i}`), await start, reads))
  return mondayRows(
    users,
    all,
    await formed(join(folder, 'small'), small),
    await formed(join(folder, 'large'), large),
  )
}

/** Each round begins with the same users, in a server's state and in our database. */
interface Start {
  users: Report[]
  state: string
  plain: string
}

async function prepare(folder: string, count: number): Promise<Start> {
  const start = {
    users: randomUsers(count),
    state: join(folder, 'state'),
    plain: join(folder, 'plain.sqlite'),
  }
  await prepareState(start.state, start.users)
  const db = newStore(start.plain)
  writeUsers(db, start.users)
  db.close()
  return start
}

async function round(folder: string, start: Start, reads: number): Promise<Round> {
  const { users } = start
  const [state, plain] = [join(folder, 'state'), join(folder, 'plain.sqlite')]
  mkdirSync(folder)
  cpSync(start.state, state, { recursive: true })
  copyFileSync(start.plain, plain)
  const oneShot = timeAtOnce(plain)

  const households = await openHouseholds(state)
  const fromNothing = await recompute(households, users.length)
  const unchanged = await recompute(households, users.length)
  const changes = randomChanges(users)
  await households.platform.report(changes)
  const changed = await recompute(households, users.length)
  const some = users.filter((_, i) => i % (users.length / reads) === 0).map(({ user }) => user)
  const profiles = await readProfiles(households, some)
  await households.server.stop()

  checkFormed(state)
  const rowsThatDiffer = rowsSince(plain, state)
  rmSync(folder, { recursive: true })
  const times = [fromNothing, unchanged, changed].map(({ seconds }) => `${seconds.toFixed(2)} s`)
  console.error(
    `one-shot SQL ${oneShot.toFixed(2)} s; from nothing, unchanged, 1 % changed: ${times.join(', ')}`,
  )
  return {
    oneShot,
    fromNothing,
    unchanged,
    changed,
    usersChanged: changes.length,
    rowsThatDiffer,
    reads: profiles,
  }
}

function timeAtOnce(path: string): number {
  const db = new DatabaseSync(path)
  const start = performance.now()
  formAtOnce(db, 1)
  const seconds = (performance.now() - start) / 1000
  db.close()
  return seconds
}

/** So many users on a server of their own, from nothing. */
async function formed(folder: string, users: number): Promise<Size> {
  await prepareState(folder, randomUsers(users))
  const households = await openHouseholds(folder)
  const fromNothing = await recompute(households, users)
  await households.server.stop()
  checkFormed(folder)
  rmSync(folder, { recursive: true })
  console.error(`${users} users from nothing: ${fromNothing.seconds.toFixed(2)} s`)
  return { users, fromNothing }
}
