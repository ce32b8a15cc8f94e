import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { fused, type Blow } from '../support/fused.ts'
import { answered } from '../support/keys.ts'
import { countMade, make, makers, type Maker, type Stage } from '../support/makers.ts'
import { everyCall } from '../support/property.ts'
import { settled } from '../support/settled.ts'

afterEach(() => void vi.useRealTimers())

let stage: Stage
let last = 0
beforeAll(async () => {
  stage = await settled()
})

/** Sends a request anew, one of whose calls fails, and then again as it is. */
async function afterBlow(maker: Maker, blow: Blow) {
  const one = { n: ++last, key: crypto.randomUUID() }
  const before = await countMade(maker, stage)
  const { db, blown } = fused(blow)
  const first = await answered(make(maker, stage, one, { DB: db }))
  // Nobody waits any more for an answer that was lost.
  vi.setSystemTime(Date.now() + 4000)
  const second = await answered(make(maker, stage, one))
  const third = await answered(make(maker, stage, one))
  const made = (await countMade(maker, stage)) - before
  return { first, second, third, made, blown: blown() }
}

describe.each(Object.entries(makers))('%s', (_, maker) => {
  it.each(
    (['before', 'after'] as const).flatMap((when) => [
      { when, lasting: false, how: 'fails' },
      { when, lasting: true, how: 'and all after it fail' },
    ]),
  )('is made once where a call of the database $how, $when it', async ({ when, lasting }) => {
    let goesOn = true
    for (let at = 0; goesOn; at += everyCall) {
      const { first, second, third, made, blown } = await afterBlow(maker, { at, when, lasting })
      goesOn = blown
      const said = JSON.stringify({ at, first, second, third })
      expect(made, said).toBeLessThanOrEqual(1)
      if (maker.finds !== true) expect(made, said).toBe(1)
      expect(third, said).toEqual({ ...second, replayed: third.status < 300 })
      const isLost = maker.secret === true && second.body.includes('rotate the secret')
      if (!isLost) expect(second.status, said).toBeLessThan(300)
      // Who has found something, and whose answer is not kept, finds it again.
      const replayed = maker.finds === true ? second.replayed : true
      if (first.status < 300 && !isLost) expect(second, said).toEqual({ ...first, replayed })
      if (first.status >= 300 && first.status < 500) expect(isLost, said).toBe(true)
      if (!blown)
        expect({ first, isLost }).toMatchObject({ first: { replayed: false }, isLost: false })
      expect(at).toBeLessThan(30)
    }
  })

  it('is made once by five requests at once', async () => {
    const one = { n: ++last, key: crypto.randomUUID() }
    const before = await countMade(maker, stage)
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => answered(make(maker, stage, one))),
    )
    const made = (await countMade(maker, stage)) - before
    expect(made).toBe(maker.finds === true ? Math.min(made, 1) : 1)
    for (const { status, body } of answers)
      expect({ status, body }).toEqual({ status: answers[0]?.status, body: answers[0]?.body })
    expect(answers[0]?.status).toBeLessThan(300)
    if (maker.finds !== true) expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  })

  it('is not made by another request under its key', async () => {
    const [n, key] = [++last, crypto.randomUUID()]
    expect((await answered(make(maker, stage, { n, key }))).status).toBeLessThan(300)
    const before = await countMade(maker, stage)
    const status = /^\/(oauth|groups)/.test(maker.request(stage, n)[0]) ? 400 : 422
    const changed: Maker = {
      ...maker,
      request: (...given) => {
        const [path, init] = maker.request(...given)
        return [`${path}?other=1`, init]
      },
    }
    const answer = await answered(make(changed, stage, { n, key }))
    expect(answer.status).toBe(status)
    expect(answer.body).toContain('The Idempotency-Key was sent with another request before')
    expect(await countMade(maker, stage)).toBe(before)
  })
})
