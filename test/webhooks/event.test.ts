import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  nextAttempt,
  disableAfter,
  retryAfterOf,
  delaysOf,
  schedule,
} from '../../src/webhooks/schedule.ts'
import { hour, minute, waits } from '../support/standard-webhooks.ts'

const second = 1000
const now = Date.UTC(2026, 10, 24, 3)

describe('the schedule', () => {
  it('is that of Standard Webhooks 1.0', () => {
    expect(schedule).toEqual([0, ...waits])
    expect(disableAfter).toBe(120 * hour)
  })
})

describe('the messages for attempts that come soon', () => {
  it('enqueue one within a second after each is due, and none earlier', () => {
    const wait = fc.integer({ min: -1000, max: 90_000 })
    fc.assert(
      fc.property(fc.array(wait, { maxLength: 60 }), (waits) => {
        const enqueues = delaysOf(
          waits.map((wait) => ({ at: now + wait })),
          now,
        )
        for (const wait of waits)
          expect(
            enqueues.some((s) => s * second >= wait && s * second <= Math.max(second, wait + 999)),
          ).toBe(true)
        expect(enqueues.every((s) => Number.isInteger(s) && s >= 1)).toBe(true)
        expect(enqueues.length).toBeLessThanOrEqual(Math.min(waits.length, 91))
      }),
    )
  })

  it('enqueue nothing for what is over, or comes later than the cron', () => {
    const attempts = [{ at: null }, { at: now + 5 * minute }, { at: now + 24 * hour }]
    expect(delaysOf(attempts, now)).toEqual([])
    expect(delaysOf([], now)).toEqual([])
  })
})

describe('the next attempt', () => {
  it("comes after the schedule's wait, and up to a fifth later", () => {
    for (const tries of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const wait = schedule[tries] ?? NaN
      expect(nextAttempt(tries, now, 0, undefined)).toBe(now + wait)
      expect(nextAttempt(tries, now, 0.5, undefined)).toBe(now + wait * 1.1)
      expect(nextAttempt(tries, now, 1, undefined)).toBe(now + wait * 1.2)
    }
  })

  it('is a whole millisecond within these bounds, whatever chance decides', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (tries, chance) => {
          const wait = (nextAttempt(tries, now, chance, undefined) ?? NaN) - now
          expect(Number.isInteger(wait)).toBe(true)
          expect(wait).toBeGreaterThanOrEqual(schedule[tries] ?? NaN)
          expect(wait).toBeLessThanOrEqual((schedule[tries] ?? NaN) * 1.2)
        },
      ),
    )
  })

  it("is as late as the receiver's Retry-After", () => {
    expect(nextAttempt(1, now, 0, 2 * minute)).toBe(now + 2 * minute)
    expect(nextAttempt(1, now, 1, 2 * minute)).toBe(now + 2 * minute)
    expect(nextAttempt(9, now, 0, 24 * hour)).toBe(now + 24 * hour)
  })

  it('is no earlier than by the schedule, whatever Retry-After says', () => {
    for (const retryAfter of [0, 1, second, 30 * minute])
      expect(nextAttempt(4, now, 0, retryAfter)).toBe(now + 2 * hour)
    expect(nextAttempt(2, now, 1, 5 * minute)).toBe(now + 6 * minute)
  })

  it('is at most a day later, and no earlier than by schedule', () => {
    for (const retryAfter of [24 * hour + 1, 365 * 24 * hour, Number.MAX_SAFE_INTEGER, Infinity]) {
      expect(nextAttempt(1, now, 0, retryAfter)).toBe(now + 24 * hour)
      expect(nextAttempt(9, now, 1, retryAfter)).toBe(now + 28.8 * hour)
    }
  })

  it('never comes after the tenth, whatever Retry-After says', () => {
    for (const tries of [10, 11, 1000])
      for (const retryAfter of [undefined, 0, hour])
        expect(nextAttempt(tries, now, 0, retryAfter)).toBeUndefined()
  })
})

describe('a Retry-After', () => {
  it.each([
    ['0', 0],
    ['1', 1000],
    ['120', 120_000],
    [' 7 ', 7000],
    ['0007', 7000],
    ['86401', 86_401_000],
  ])('of seconds %j', (header, expected) => {
    expect(retryAfterOf(header, now)).toBe(expected)
  })

  it.each([
    ['Tue, 24 Nov 2026 03:00:05 GMT', 5000],
    ['Wed, 25 Nov 2026 03:00:00 GMT', 24 * hour],
    ['Tuesday, 24-Nov-26 03:01:00 GMT', minute],
  ])('of the date %j', (header, expected) => {
    expect(retryAfterOf(header, now)).toBe(expected)
  })

  it.each([
    'Tue, 24 Nov 2026 03:00:00 GMT',
    'Tue, 24 Nov 2026 02:59:59 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT',
  ])('of the date %j, which has come, is no time at all', (header) => {
    expect(retryAfterOf(header, now)).toBe(0)
  })

  it.each([
    null,
    '',
    ' ',
    'soon',
    'null',
    'NaN',
    'Infinity',
    '5 minutes',
    'PT5M',
    '1e3',
    '0x10',
    '٣',
    '1,2',
    'Tue, 24 Foo 2026',
  ])('of %j is ignored', (header) => {
    expect(retryAfterOf(header, now)).toBeUndefined()
  })

  it.each(['soon 2099', 'rate limit 5000', 'at most 4000', '2099-01-01'])(
    'of %j is no HTTP date and is ignored',
    (header) => {
      expect(retryAfterOf(header, now)).toBeUndefined()
    },
  )

  it('of more seconds than there are numbers is a day', () => {
    expect(nextAttempt(1, now, 0, retryAfterOf('9'.repeat(400), now))).toBe(now + 24 * hour)
    expect(nextAttempt(1, now, 0, retryAfterOf('9'.repeat(20), now))).toBe(now + 24 * hour)
  })
})
