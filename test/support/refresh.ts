import type { Refresh } from '../../src/audiences/refresh-period.ts'
import { runRecompute } from '../../src/identity/recompute.ts'
import type { Message } from '../../src/messages.ts'
import type { Env, Resources } from '../../src/resources.ts'
import { deliverAll, filling, jobsIn, teamIs } from './audiences.ts'
import { keeping, tickEverywhere } from './bindings.ts'
import { homeDb } from './databases.ts'
import { hazardous } from './hazard.ts'
import { mondayIn } from './identity.ts'
import { defined, writeUsers } from './weeks.ts'
import { newWorkspace } from './workspaces.ts'

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour
export const monday = mondayIn(1)
export const everyFive = '*/5 * * * *'
export const mondays = '0 3 * * MON'
export const mornings = '0 4 * * *'
export const red = teamIs('red')

/** A cron scans all workspaces, and would find what earlier tests left. */
export const clearAudiences = () =>
  homeDb.batch(
    ['audiences', 'jobs', 'sync_rules'].map((table) => homeDb.prepare(`DELETE FROM ${table}`)),
  )

/** What a cron enqueues, and nobody delivers. */
export async function enqueuedBy(
  cron: string,
  at: number,
  vars: Partial<Env> = {},
): Promise<Message[]> {
  const { bound, work, scheduled } = keeping(vars)
  await tickEverywhere(cron, bound, at)
  return [...work, ...scheduled].map(({ message }) => message)
}

/** A hazard with a fixed clock: audiences made or attached then wait for the next period. */
export function hazardousAt(ms: number, vars?: Partial<Env>) {
  const hazard = hazardous(vars)
  return { ...hazard, res: { ...hazard.res, now: () => ms } satisfies Resources }
}

export const before = hazardousAt(monday - 2 * day).res

export const syncsOf = async (...all: number[]) =>
  Promise.all(
    all.map(
      async (workspace) =>
        (await jobsIn(workspace)).filter(({ audience }) => audience !== null).length,
    ),
  )

/** Carries the runs of a week to their ends. */
export async function recompute(enqueued: Message[]): Promise<void> {
  const { res } = hazardous()
  for (const message of enqueued) if (message.kind === 'recompute') await runRecompute(res, message)
}

/** Carries the jobs of a workspace to their ends. */
export async function end(workspace: number): Promise<void> {
  const jobs = await jobsIn(workspace)
  await deliverAll(
    hazardous().res,
    jobs.map(({ key }) => ({ kind: 'job', workspace, job: key })),
  )
}

/** A workspace with a definition, users, and an audience of the red team that fills a group. */
export async function workspaceWith(refresh: Refresh, withDefinition = true) {
  const workspace = newWorkspace()
  if (withDefinition) await defined(before, workspace, 'household', 'street', [])
  await writeUsers(before, workspace, [
    ['ann', { team: 'red', street: 'ash' }],
    ['bob', { team: 'blue', street: 'ash' }],
  ])
  const group = await filling(before, workspace, 'reds', red, refresh)
  return { workspace, group }
}
