import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eraseGroup } from '../../src/experience/erase.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import { deliverAll, inStepsOf, jobsIn, invokeJob, rulesKept } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { unlessCrash } from '../support/hazard.ts'
import { person, Stage, unended, type Request } from '../support/sync-stage.ts'
import { deliveries, type Delivery } from '../support/deliveries.ts'
import { runs } from '../support/property.ts'

type Step =
  | Delivery
  /** Its run pauses before a call, while a request, a failure or another run happens. */
  | { what: 'sleeps'; pick: number; at: number; request: Request; dead: boolean; other: number }

const user = fc.nat(23).map(person)

const what = <What extends string>(name: What) => fc.constant(name)
const change = fc.record({
  user,
  team: fc.constantFrom('red', 'red', 'red', 'blue', null, 'deleted'),
})
const upload = fc.record({
  what: what('uploads'),
  type: fc.constantFrom('add', 'remove', 'replace'),
  ids: fc.array(
    fc.nat(30).map((n) => `person-${String(n).padStart(2, '0')}`),
    { maxLength: 30, size: 'max' },
  ),
  badRows: fc.constantFrom(0, 0, 2),
})
const request: fc.Arbitrary<Request> = fc.oneof(
  { weight: 2, arbitrary: upload },
  { weight: 4, arbitrary: fc.record({ what: what('attaches') }) },
  { weight: 2, arbitrary: fc.record({ what: what('detaches') }) },
  { weight: 1, arbitrary: fc.record({ what: what('attaches to another group') }) },
  { weight: 1, arbitrary: fc.record({ what: what('deletes the audience') }) },
  { weight: 6, arbitrary: fc.record({ what: what('syncs') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: what('changes the rule'),
      to: fc.constantFrom('red', 'red', 'blue'),
    }),
  },
  { weight: 2, arbitrary: change.map((one): Request => ({ what: 'changes a user', ...one })) },
)
/** Requests while a run pauses: mostly what must stop it. */
const meantime: fc.Arbitrary<Request> = fc.oneof(
  { weight: 2, arbitrary: request },
  { weight: 2, arbitrary: fc.record({ what: what('detaches') }) },
  { weight: 1, arbitrary: fc.record({ what: what('attaches to another group') }) },
  { weight: 1, arbitrary: fc.record({ what: what('deletes the audience') }) },
)
const pick = fc.nat(7)
const at = fc.nat(30)
const delivery: fc.Arbitrary<Step> = fc.oneof(...deliveries(2, at), {
  weight: 5,
  arbitrary: fc.record({
    what: what('sleeps'),
    pick,
    at,
    request: meantime,
    dead: fc.constantFrom(true, false, false),
    other: pick,
  }),
})

describe('uploads to a group and syncs of its audience', () => {
  it('end as some order of the successful, whatever dies, repeats or overlaps', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 3, arbitrary: request }, { weight: 4, arbitrary: delivery }), {
          minLength: 8,
          maxLength: 24,
          size: 'max',
        }),
        fc.array(fc.option(change), { maxLength: 80, size: 'max' }),
        fc.constantFrom(2, 3, 5, 1000),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant(null) },
          { weight: 1, arbitrary: fc.record({ pick, at, erased: fc.boolean() }) },
        ),
        async (events, deeds, users, end) => {
          const stage = new Stage()
          await stage.open()
          await stage.handle({
            what: 'uploads',
            type: 'add',
            ids: ['person-00', 'person-02', 'person-29'],
            badRows: 0,
          })
          await stage.handle({ what: 'attaches' })
          await stage.handle({ what: 'syncs' })
          const { workspace, accepted, group } = stage
          const { res, enqueued, fuse, meanwhile } = stage.hazard
          const left = [...deeds]
          meanwhile(async () => {
            await stage.check()
            await inStepsOf(users, workspace)
            const deed = left.shift()
            if (deed != null) await stage.changes(deed)
          })

          /** Mostly the job that is next, as messages about others do little. */
          const keyOf = async (pick: number) => {
            const next = (await jobsIn(workspace)).find(
              ({ state }) => state === 'undoing' || unended.includes(state),
            )
            return (pick < 5 ? next?.key : undefined) ?? accepted[pick % accepted.length]?.key ?? 0
          }
          const run = async (pick: number) => invokeJob(res, workspace, await keyOf(pick))
          const buried = async (pick: number) =>
            giveUp(stage.hand.res, workspace, await keyOf(pick))
          const asleep = async (pick: number, at: number, meantime: () => Promise<unknown>) => {
            const key = await keyOf(pick)
            const { promise, resolve } = Promise.withResolvers<void>()
            const fell = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
            const sleeper = invokeJob(res, workspace, key)
            await Promise.race([fell, sleeper])
            fuse(undefined)
            await meantime()
            resolve()
            await sleeper
          }
          for (const next of events) {
            res.meter.statements = 0
            if (next.what === 'delivered') await run(next.pick)
            else if (next.what === 'twice at once') {
              const key = await keyOf(next.pick)
              await Promise.all([invokeJob(res, workspace, key), invokeJob(res, workspace, key)])
            } else if (next.what === 'fails for good') await buried(next.pick)
            else if (next.what === 'dies') {
              fuse({ ...next.fault })
              await run(next.pick).catch(unlessCrash)
              fuse(undefined)
            } else if (next.what === 'sleeps')
              await asleep(next.pick, next.at, async () => {
                if (next.dead) await buried(next.pick)
                await stage.handle(next.request)
                await stage.check()
                await run(next.other)
              })
            else await stage.handle(next)
            await stage.check()
          }

          if (end !== null) {
            meanwhile(undefined)
            await asleep(end.pick, end.at, async () => {
              await deleteGroup(stage.hand.res, workspace, group.id)
              if (end.erased) await eraseGroup(stage.hand.res, workspace, group.key)
            })
            for (const { key } of accepted) await invokeJob(res, workspace, key)
            await eraseGroup(stage.hand.res, workspace, group.key)
            const rows = await homeDb
              .prepare(
                `SELECT (SELECT count(*) FROM members WHERE group_key = ?2)
                + (SELECT count(*) FROM jobs WHERE workspace_id = ?1) AS n`,
              )
              .bind(workspace, group.key)
              .first('n')
            expect(rows).toBe(0)
            expect(await rulesKept()).toBe(0)
            return
          }
          // At least once: what was never answered is delivered until nothing is left.
          for (const { key } of [...accepted, ...accepted]) await invokeJob(res, workspace, key)
          await deliverAll(res, enqueued)
          meanwhile(undefined)
          await stage.check()
          await stage.checkEnds()
        },
      ),
      runs(12),
    )
  }, 240_000)
})
