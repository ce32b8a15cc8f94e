import { beforeEach, describe, expect, it } from 'vitest'
import { getErasure } from '../../src/erasure/erasures.ts'
import { erasePerson } from '../../src/erasure/request.ts'
import { enqueueStalledErasures } from '../../src/erasure/stalled.ts'
import { deliver } from '../../src/webhooks/deliver.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { grouped } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { failures, hazardous, unlessCrash } from '../support/hazard.ts'
import { answerAll } from '../support/stale.ts'
import { emptyTables, everyRow } from '../support/store.ts'
import { newWorkspace } from '../support/workspaces.ts'

const person = 'Zoé 7f3a'
const names = '{"error":"no user Zo\\u00e9 7f3a"}'

beforeEach(emptyTables)

/** A webhook whose receiver and clock the test controls; look-ups are cached for thirty seconds. */
async function scene() {
  const workspace = newWorkspace()
  const clock = { ahead: 0 }
  const receiver = { says: async () => names }
  const hands = {
    now: () => Date.now() + clock.ahead,
    fetch: async () => new Response(await receiver.says(), { status: 500 }),
  }
  const { res, enqueued, fuse } = hazardous({ LOOKUP_CACHE_SECONDS: 30 }, hands)
  const draft = { url: 'https://hooks.shop.com', description: '', eventTypes: null }
  const { key } = await createWebhook(res, workspace, draft, 'tester')
  const erases = (who = person) => erasePerson(res, workspace, who, 'tester')
  const stateOf = async ({ id }: { id: string }) =>
    (await getErasure(res.databaseOf(workspace), workspace, id)).state
  return {
    ...{ res, workspace, clock, receiver, fuse, erases, stateOf },
    happens: () => grouped(res, workspace),
    delivers: () => deliver(res, workspace, key),
    /** As far as the last part, which waits. */
    goesOn: () => answerAll(res, enqueued.splice(0, 1)),
    ends: async () => {
      clock.ahead += 11 * 60_000
      enqueued.length = 0
      await enqueueStalledErasures(res)
      await answerAll(res, enqueued)
    },
    answers: async () => {
      const { results } = await homeDb
        .prepare(
          `SELECT status, answer FROM delivery_attempts WHERE webhook_key = ?
        ORDER BY event_key, attempt`,
        )
        .bind(key)
        .all<{ status: number; answer: string }>()
      return results.map(({ status, answer }) => `${status} ${answer}`)
    },
  }
}

/** Rows that have the person's id, however it is spelled. */
const traces = async () =>
  [...(await everyRow())].filter((row) => row.includes(person) || row.includes('u00e9 7f3a'))

describe('an answer that names an erased person', () => {
  it.each(['nobody', 'somebody'])(
    'is not kept where it comes amid the erasure, and %s was erased before',
    async (before) => {
      const { receiver, happens, delivers, erases, goesOn, ends, stateOf, answers } = await scene()
      if (before === 'somebody') {
        await erases('bob')
        await goesOn()
        await ends()
      }
      await happens()
      const { promise, resolve } = Promise.withResolvers<string>()
      const asked = new Promise<void>((yes) => {
        receiver.says = () => (yes(), promise)
      })
      const sending = delivers()
      await asked
      const erasure = await erases()
      await goesOn()
      expect(await stateOf(erasure)).toBe('receipt')
      resolve(names)
      await sending
      expect(await answers()).toContain('500 ')
      await ends()
      expect([await stateOf(erasure), await traces()]).toEqual(['complete', []])
    },
  )

  it('is not kept where its message dies anywhere and comes again', async () => {
    let calls = 0
    for (const failure of failures(6)) {
      await emptyTables()
      const { clock, fuse, happens, delivers, erases, goesOn, ends, stateOf, answers } =
        await scene()
      await happens()
      await delivers()
      const erasure = await erases()
      clock.ahead += 10_000
      fuse({ ...failure })
      await delivers().catch((error: unknown) => (calls++, unlessCrash(error)))
      fuse(undefined)
      await goesOn()
      expect(await stateOf(erasure)).toBe('receipt')
      clock.ahead += 61_000
      await delivers()
      clock.ahead += 60 * 60_000
      await delivers()
      expect((await answers()).length).toBeGreaterThan(1)
      await ends()
      expect([await stateOf(erasure), await traces()]).toEqual(['complete', []])
    }
    expect(calls).toBeGreaterThan(2)
  })

  it('is not kept after the receipt, nor what is too long to tell', async () => {
    const { receiver, clock, happens, delivers, erases, goesOn, ends, answers } = await scene()
    await erases()
    await goesOn()
    await ends()
    const said = [names, 'Zoé 7f3', '%5BZo%C3%A9%207f3a%5D', 'of (Zoé 7f3a)', 'x'.repeat(1024), '']
    const tooLong = Array.from({ length: 250 }, (_, i) => i).join()
    for (const one of [...said, tooLong]) {
      receiver.says = async () => one
      await happens()
      await delivers()
      clock.ahead += 10_000
      await homeDb.prepare(`UPDATE deliveries SET state = 'failed'`).run()
    }
    expect((await answers()).map((answer) => answer.slice(0, 20))).toEqual([
      ...['500 ', '500 Zoé 7f3', '500 ', '500 ', `500 ${'x'.repeat(16)}`, '500 ', '500 '],
    ])
  })

  it('is kept in another workspace', async () => {
    const [one, other] = [await scene(), await scene()]
    await one.erases()
    await other.erases('bob')
    await other.happens()
    await other.delivers()
    expect(await other.answers()).toEqual([`500 ${names}`])
  })
})
