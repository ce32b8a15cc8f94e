import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { requestSync } from '../../src/audiences/sync.ts'
import { type Group } from '../../src/experience/groups.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { atOnce } from '../../src/jobs/turn.ts'
import { lines } from '../support/api.ts'
import { filling, grouped, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { fileParts, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { runs } from '../support/property.ts'
import { answer, unlessFileIsMissing } from '../support/stale.ts'
import { newWorkspace } from '../support/workspaces.ts'

type Step = { pick: number } & (
  | { what: 'delivered' | 'twice at once' | 'delivered and kept' | 'fails for good' }
  | { what: 'uploads' | 'uploads users' | 'syncs' | 'deletes a group' }
  | { what: 'dies'; at: number; when: 'before' | 'after' }
  /** It pauses before a call, while another message is delivered. */
  | { what: 'sleeps'; at: number; other: number }
)

const pick = fc.nat(30)
const at = fc.nat(9)
const when = fc.constantFrom('before' as const, 'after' as const)
const one = <const What extends string>(...what: What[]) => fc.constantFrom(...what)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: one('uploads'), pick }) },
  { weight: 2, arbitrary: fc.record({ what: one('uploads users', 'syncs'), pick }) },
  { weight: 8, arbitrary: fc.record({ what: one('dies'), pick, at, when }) },
  { weight: 2, arbitrary: fc.record({ what: one('sleeps'), pick, at, other: pick }) },
  {
    weight: 3,
    arbitrary: fc.record({ what: one('delivered', 'twice at once', 'delivered and kept'), pick }),
  },
  { weight: 1, arbitrary: fc.record({ what: one('fails for good', 'deletes a group'), pick }) },
)

const groupsMost = 5

/** Jobs under way, of the workspace and most of a queue: those that are undone had their turn. */
const underWay = (workspace: number) =>
  homeDb
    .prepare(
      `SELECT coalesce(sum(n), 0) AS jobs, coalesce(max(n), 0) AS ofOne FROM (
      SELECT count(*) AS n FROM jobs WHERE workspace_id = ? AND ended_at IS NULL
        AND state NOT IN ('waiting', 'undoing') GROUP BY group_key)`,
    )
    .bind(workspace)
    .first<{ jobs: number; ofOne: number }>()

const waiting = (workspace: number) =>
  homeDb
    .prepare('SELECT count(*) FROM jobs WHERE workspace_id = ? AND ended_at IS NULL')
    .bind(workspace)
    .first('count(*)')

async function stage() {
  const workspace = newWorkspace()
  const hazard = hazardous({ SLICE_BYTES: 64 })
  const { res, enqueued, fuse } = hazard
  const groups: Group[] = []
  for (let i = 0; i < groupsMost; i++) groups.push(await grouped(res, workspace))
  await filling(res, workspace, 'reds', teamIs('red'))
  const chosen = <T>(from: T[], pick: number) => from[pick % from.length]
  const take = (pick: number) =>
    enqueued.length === 0 ? undefined : enqueued.splice(pick % enqueued.length, 1)[0]

  const opens = async ({ what, pick }: Step) => {
    const file = parts('ADD', lines([`ann-${pick}`, `bob-${pick}`]))
    const to = chosen(groups, pick)
    if (what === 'uploads' && to !== undefined)
      await receiveUpload(res, workspace, to.id, { createdBy: 'tester', parts: file })
    if (what === 'uploads users')
      await receiveUsers(res, workspace, 'tester', fileParts(`user_id,a\nann,${pick}\n`))
    if (what === 'syncs')
      await requestSync(res, workspace, 'reds', { by: pick % 2 ? 'refresh' : 'ann' })
    if (what === 'deletes a group' && to !== undefined && groups.length > 3)
      await deleteGroup(res, workspace, groups.splice(groups.indexOf(to), 1)[0]?.id ?? '')
  }

  /** What happens to a message; one that was not answered comes again. */
  const happens = async (next: Step) => {
    const message = take(next.pick)
    if (message === undefined) return
    const deliver = () => answer(res, message).catch(unlessFileIsMissing)
    if (next.what === 'twice at once') await Promise.all([deliver(), deliver()])
    else if (next.what === 'dies') {
      enqueued.push(message)
      fuse({ at: next.at, when: next.when })
      await answer(res, message).catch(unlessCrash)
      fuse(undefined)
    } else if (next.what === 'fails for good' && 'job' in message) {
      await giveUp(res, workspace, message.job)
      enqueued.push(message)
    } else if (next.what === 'sleeps') {
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at: next.at, until: promise, fallen }))
      const sleeper = deliver()
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      const other = take(next.other)
      if (other !== undefined) await answer(res, other)
      resolve()
      await sleeper
    } else await deliver()
    if (next.what === 'delivered and kept') enqueued.push(message)
  }
  return { workspace, opens, happens, left: () => enqueued.length }
}

describe('jobs of a workspace', () => {
  it('take turns, and all end without a cron, whatever becomes of messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(groupsMost - 1), { minLength: 8, maxLength: 12, size: 'max' }),
        fc.array(step, { maxLength: 30, size: 'max' }),
        async (first, steps) => {
          const { workspace, opens, happens, left } = await stage()
          for (const pick of first) await opens({ what: 'uploads', pick })
          for (const next of steps) {
            await opens(next)
            if (!/uploads|syncs|deletes/.test(next.what)) await happens(next)
            const { jobs = 0, ofOne = 0 } = (await underWay(workspace)) ?? {}
            expect(jobs).toBeLessThanOrEqual(atOnce)
            expect(ofOne).toBeLessThanOrEqual(1)
          }
          for (let rounds = 0; left() > 0; rounds++) {
            expect(rounds).toBeLessThan(1000)
            await happens({ what: 'delivered', pick: 0 })
          }
          expect(await waiting(workspace)).toBe(0)
        },
      ),
      runs(4),
    )
  }, 240_000)
})
