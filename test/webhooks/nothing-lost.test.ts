import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Failure } from '../../src/failure.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { deliverDue } from '../../src/webhooks/due.ts'
import { usualTypes, type EventType } from '../../src/webhooks/event.ts'
import { listDeliveries, replay, retryDelivery } from '../../src/webhooks/history.ts'
import { enableWebhook } from '../../src/webhooks/subscriptions.ts'
import { homeDb } from '../support/databases.ts'
import { unlessCrash } from '../support/hazard.ts'
import { writeUsers } from '../support/weeks.ts'
import { changesBetween, listeners, momentOf, type Moment, type Announced } from './changes.ts'
import {
  answer,
  answerMessage,
  changing,
  does,
  happening,
  hour,
  scene,
  setting,
  type Answer,
  type Happening,
  type Scene,
} from './histories.ts'
import { drafted } from '../support/experiments.ts'
import { runs } from '../support/property.ts'

/** What became of a deed. */
type Became = 'done' | 'refused' | 'died'

const became = (deed: Promise<unknown> | undefined): Promise<Became> =>
  Promise.resolve(deed).then(
    () => 'done' as const,
    (error: unknown) => {
      if (error instanceof Failure) return 'refused'
      unlessCrash(error)
      return 'died'
    },
  )

const sorted = (events: Announced[]) =>
  events
    .map(({ type, data }) => ({ type, data }))
    .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

/** How often things happened, in all histories. */
const seen = new Map<string, number>()
const saw = (what: string, count = 1) => seen.set(what, (seen.get(what) ?? 0) + count)

/** Watches the changes of a workspace, and the events that announce them. */
class Witness {
  readonly #workspace: number
  readonly keyOf = new Map<string, number>()
  readonly events = new Map<string, Announced & { at: number }>()
  /** Events by webhook: which it must get, and which it may, as it changed meanwhile. */
  readonly must = new Set<string>()
  readonly may = new Set<string>()
  #moment: Moment
  #last = 0

  private constructor(workspace: number, moment: Moment) {
    this.#workspace = workspace
    this.#moment = moment
  }

  static async of(workspace: number): Promise<Witness> {
    return new Witness(workspace, await momentOf(workspace))
  }

  get moment() {
    return this.#moment
  }

  /** Runs changes at once, and compares their events with what they changed. */
  async sees(
    ...happening: (Promise<unknown> | undefined)[]
  ): Promise<{ became: Became[]; changes: number }> {
    const outcomes = await Promise.all(happening.map(became))
    const [before, after] = [this.#moment, await momentOf(this.#workspace)]
    this.#moment = after
    for (const { key, url } of after.webhooks.values()) this.keyOf.set(url, key)
    const { results } = await homeDb
      .prepare(
        `SELECT key, id, type, at, data FROM events WHERE workspace_id = ? AND key > ?
        AND type IN (${usualTypes.map((type) => `'${type}'`).join()}) ORDER BY key`,
      )
      .bind(this.#workspace, this.#last)
      .all<{ key: number; id: string; type: EventType; at: number; data: string }>()
    const events = results.map(({ data, ...event }) => ({
      ...event,
      data: JSON.parse(data) as object,
    })) // only objects are written
    const changes = changesBetween(before, after)
    expect(sorted(events)).toEqual(sorted(changes))
    for (const { key, id, type, at, data } of events) {
      this.#last = key
      this.events.set(id, { type, at, data })
      saw(type)
      const [then, now] = [listeners(before, type), listeners(after, type)]
      for (const webhook of then.union(now)) this.may.add(`${webhook} ${id}`)
      for (const webhook of then.intersection(now)) this.must.add(`${webhook} ${id}`)
    }
    return { became: outcomes, changes: changes.length }
  }
}

/** Sends what is due, as the crons do. */
async function sendDue(at: Scene, witness: Witness): Promise<void> {
  await deliverDue(at.res)
  for (
    let body = at.deliveriesEnqueued.shift();
    body !== undefined;
    body = at.deliveriesEnqueued.shift()
  )
    await witness.sees(answerMessage(at, body))
}

/** Enough hours for each attempt, and less than five days in all. */
const waits = [0, 1, 1, 1, 3, 6, 12, 17, 24, 29]

async function live(at: Scene, witness: Witness, next: Happening): Promise<void> {
  const { res, enqueued, deliveriesEnqueued, fuse, silence, workspace } = at
  if (next.then === 'later') return void at.later(next.ms)
  if (next.then === 'cron') return void (await witness.sees(deliverDue(res)))
  if (next.then === 'bad days') {
    at.receives('fails')
    for (let attempt = 0; attempt < next.attempts; attempt++) {
      at.later((waits[attempt] ?? 29) * hour)
      await sendDue(at, witness)
    }
    return void at.receives(undefined)
  }
  if (next.then === 'message') {
    const queue = next.of === 'work' ? enqueued : deliveriesEnqueued
    const place = next.pick % Math.max(1, queue.length)
    const body = queue[place]
    if (body === undefined) return
    if (next.how === 'once' || next.how === 'never') queue.splice(place, 1)
    if (next.how === 'never') return
    if (typeof next.how !== 'string') fuse({ ...next.how })
    await witness.sees(
      answerMessage(at, body),
      next.how === 'twice at once' ? answerMessage(at, body) : undefined,
    )
    return fuse(undefined)
  }
  if (next.then === 'beside an invocation') {
    const keys = [...witness.moment.webhooks.keys()]
    const key = keys[next.pick % Math.max(1, keys.length)]
    await witness.sees(
      does(at, next.deed),
      key === undefined ? undefined : deliver(res, workspace, key),
    )
    return
  }
  if (next.then === 'dying') fuse({ ...next.dies })
  silence(next.then === 'silently')
  const twice =
    next.then === 'twice at once' && !['renames a group', 'redefines'].includes(next.deed.what)
  const { became, changes } = await witness.sees(
    does(at, next.deed),
    ...(twice ? [does(at, next.deed)] : []),
  )
  silence(false)
  fuse(undefined)
  if (setting.includes(next.deed.what)) return
  if (!changing.includes(next.deed.what)) return expect(changes).toBe(0)
  const count = (what: Became) => became.filter((one) => one === what).length
  for (const what of became) saw(what)
  expect(changes).toBeGreaterThanOrEqual(count('done'))
  expect(changes).toBeLessThanOrEqual(count('done') + count('died'))
}

/** Completes all work, whatever messages were lost, and delivers everything. */
async function endWell(at: Scene, witness: Witness): Promise<void> {
  const { res, enqueued, workspace, later, receives } = at
  const db = res.databaseOf(workspace)
  receives('takes')
  for (let body = enqueued.shift(); body !== undefined; body = enqueued.shift())
    await witness.sees(answerMessage(at, body))
  for (const { key, group } of witness.moment.jobs.values())
    if (witness.moment.groups.get(group)?.deleted === null)
      await witness.sees(answerMessage(at, { kind: 'job', workspace, job: key }))
  for (const run of witness.moment.runs.keys())
    await witness.sees(answerMessage(at, { kind: 'recompute', workspace, run }))
  for (const { id } of witness.moment.webhooks.values())
    await witness.sees(enableWebhook(res, workspace, id, 'tester'))

  const webhooks = [...witness.moment.webhooks.values()]
  const pending = () =>
    homeDb
      .prepare(
        `SELECT count(*) AS n FROM deliveries WHERE workspace_id = ? AND state = 'pending'
        AND webhook_key IN (SELECT key FROM webhooks)`,
      )
      .bind(workspace)
      .first<number>('n')
  const drained = async () => {
    for (let days = 0; (await pending()) !== 0; days++) {
      expect(days).toBeLessThan(10)
      later(29 * hour)
      await sendDue(at, witness)
    }
  }
  await drained()
  for (const { id } of webhooks) {
    const failed = { state: 'failed' as const, after: undefined, size: 1000 }
    saw('failed', (await listDeliveries(db, workspace, id, failed)).length)
    await replay(res, workspace, id, { since: 0, until: res.now(), only: 'failed' })
    // What it does not listen for any more.
    for (const { event } of await listDeliveries(db, workspace, id, failed))
      await retryDelivery(res, workspace, id, event)
  }
  await drained()
}

/** A history in which everything happens once, as random ones may miss a kind. */
const everything: [Happening[], Answer[]] = [
  [
    {
      then: 'deed',
      deed: { what: 'opens a webhook', types: ['webhook.disabled', 'group.created'] },
    },
    { then: 'deed', deed: { what: 'renames a group', pick: 0, name: 'jays' } },
    {
      then: 'dying',
      deed: { what: 'opens a group', name: 'owls' },
      dies: { at: 0, when: 'after' },
    },
    { then: 'deed', deed: { what: 'opens a group', name: 'owls' } },
    { then: 'deed', deed: { what: 'redefines', pick: 0 } },
    { then: 'deed', deed: { what: 'recomputes', pick: 0 } },
    { then: 'message', of: 'work', pick: 0, how: { at: 1, when: 'after' } },
    { then: 'message', of: 'work', pick: 0, how: 'twice at once' },
    { then: 'message', of: 'work', pick: 0, how: 'once' },
    {
      then: 'deed',
      deed: { what: 'uploads', pick: 0, type: 'add', ids: ['ann', 'bob'], badRows: 1 },
    },
    { then: 'message', of: 'work', pick: 0, how: { at: 3, when: 'after' } },
    { then: 'message', of: 'work', pick: 0, how: 'twice at once' },
    { then: 'message', of: 'work', pick: 0, how: 'once' },
    { then: 'deed', deed: { what: 'uploads', pick: 0, type: 'replace', ids: [], badRows: 1 } },
    { then: 'message', of: 'work', pick: 0, how: 'once' },
    { then: 'deed', deed: { what: 'deletes a group', pick: 0 } },
    { then: 'bad days', attempts: 10 },
    { then: 'deed', deed: { what: 'undefines', pick: 0 } },
    { then: 'cron' },
    { then: 'message', of: 'deliveries', pick: 0, how: 'once' },
    { then: 'twice at once', deed: { what: 'starts an experiment', pick: 0 } },
    { then: 'silently', deed: { what: 'pauses an experiment', pick: 0 } },
    {
      then: 'dying',
      deed: { what: 'ends an experiment', pick: 0 },
      dies: { at: 1, when: 'after' },
    },
    { then: 'deed', deed: { what: 'opens a group', name: 'rooks' } },
    { then: 'bad days', attempts: 14 },
  ],
  ['takes'],
]

it('loses and invents nothing, whatever fails, dies, repeats or comes late', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(happening, { minLength: 15, maxLength: 50, size: 'max' }),
      fc.array(answer, { minLength: 1, maxLength: 20, size: 'max' }),
      async (happenings, answers) => {
        const at = await scene(answers)
        const witness = await Witness.of(at.workspace)
        await writeUsers(at.res, at.workspace, [
          ['ann', { street: 'ash' }],
          ['bob', { street: 'ash' }],
        ])
        await witness.sees(does(at, { what: 'opens a webhook', types: null }))
        for (const id of ['summer', 'winter']) await witness.sees(drafted(at.res, at.workspace, id))
        for (const what of ['opens a group', 'defines'] as const)
          await witness.sees(does(at, { what, name: 'owls' }))
        for (const next of happenings) await live(at, witness, next)
        await endWell(at, witness)

        const bodies = new Map<string, string>()
        const taken = new Set<string>()
        for (const { url, id, body, taken: took } of at.arrivals) {
          const event = witness.events.get(id)
          expect(JSON.parse(body)).toEqual(
            event && {
              type: event.type,
              timestamp: new Date(event.at).toISOString(),
              data: event.data,
            },
          )
          expect(body).toBe(bodies.get(id) ?? body)
          bodies.set(id, body)
          const one = `${witness.keyOf.get(url)} ${id}`
          expect(witness.may).toContain(one)
          if (took) taken.add(one)
        }
        for (const one of witness.must)
          if (witness.moment.webhooks.has(Number(one.split(' ')[0]))) expect(taken).toContain(one)
        saw('arrived', at.arrivals.length)
      },
    ),
    { ...runs(4), examples: [everything] },
  )
  const elsewhere: EventType[] = ['audience.synced', 'experiment.imbalanced', 'webhook.test']
  const all = usualTypes.filter((type) => !elsewhere.includes(type))
  for (const what of [...all, 'done', 'refused', 'died', 'failed', 'arrived'])
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
}, 180_000)
