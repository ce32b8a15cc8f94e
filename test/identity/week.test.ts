import { describe, expect, it } from 'vitest'
import config from '../../wrangler.toml?raw'
import { mondayOf, weekOf } from '../../src/identity/week.ts'
import { household, Team } from '../support/identity.ts'

const at = (text: string) => Date.parse(text)
const hour = 3_600_000

describe('the week of a moment', () => {
  // ISO 8601: W01 has the year's first Thursday, and weeks begin on Monday.
  it.each([
    ['2026-12-27', '2026-W52'],
    ['2026-12-28', '2026-W53'],
    ['2026-12-31', '2026-W53'],
    ['2027-01-01', '2026-W53'],
    ['2027-01-03', '2026-W53'],
    ['2027-01-04', '2027-W01'],
    ['2024-12-29', '2024-W52'],
    ['2024-12-30', '2025-W01'],
    ['2025-01-05', '2025-W01'],
    ['2025-01-06', '2025-W02'],
    ['2025-12-28', '2025-W52'],
    ['2025-12-29', '2026-W01'],
    ['2020-02-29', '2020-W09'],
    ['2020-12-31', '2020-W53'],
    ['2021-01-03', '2020-W53'],
    ['2021-01-04', '2021-W01'],
    ['2023-01-01', '2022-W52'],
    ['2023-01-02', '2023-W01'],
    ['2000-01-01', '1999-W52'],
    ['1970-01-01', '1970-W01'],
    ['1969-12-28', '1969-W52'],
    ['1969-12-29', '1970-W01'],
  ])('of %s is %s, from its first millisecond to its last', (day, week) => {
    expect(weekOf(at(`${day}T00:00:00.000Z`))).toBe(week)
    expect(weekOf(at(`${day}T23:59:59.999Z`))).toBe(week)
  })

  it('changes every Monday at midnight UTC only, to a later name', () => {
    let before = weekOf(at('1999-12-26T00:00:00Z'))
    for (let ms = at('1999-12-27T00:00:00Z'); ms < at('2041-01-01T00:00:00Z'); ms += 24 * hour) {
      const week = weekOf(ms)
      const isMonday = new Date(ms).getUTCDay() === 1
      expect({ ms, changed: week !== before }).toEqual({ ms, changed: isMonday })
      if (isMonday) expect(week > before).toBe(true)
      expect(week).toMatch(/^\d{4}-W(0[1-9]|[1-4]\d|5[0-3])$/)
      before = week
    }
  })
})

describe('the Monday of a moment', () => {
  it.each([
    ['2026-12-28T00:00:00.000Z', '2026-12-28'],
    ['2026-12-27T23:59:59.999Z', '2026-12-21'],
    ['2027-01-03T12:00:00.000Z', '2026-12-28'],
    ['2024-02-29T03:00:00.000Z', '2024-02-26'],
    ['1970-01-01T00:00:00.000Z', '1969-12-29'],
    ['1969-12-28T23:00:00.000Z', '1969-12-22'],
  ])('of %s is %s, 00:00 UTC', (moment, monday) => {
    expect(new Date(mondayOf(at(moment))).toISOString()).toBe(`${monday}T00:00:00.000Z`)
  })
})

describe("Monday's cron", () => {
  const [expression = ''] = JSON.parse(/^crons = (.*)$/m.exec(config)?.[1] ?? '[]') as string[]

  it("is written with the day's name, and its hour begins the week", async () => {
    expect(expression).toBe('0 3 * * MON')
    const team = await Team.open()
    await team.define(household)
    await team.user('ann', { $address: '5 Oak Ave' })
    // The turn of a year with 53 weeks, and both sides of another.
    for (const [monday, week] of [
      ['2027-01-04', '2027-W01'],
      ['2032-12-27', '2032-W53'],
      ['2033-01-03', '2033-W01'],
      ['2029-12-31', '2030-W01'],
    ] as const) {
      expect(new Date(monday).getUTCDay()).toBe(1)
      expect(await team.monday(at(`${monday}T03:00:00Z`))).toMatchObject({
        week,
        status: 'SUCCESSFUL',
        users_seated: 1,
      })
    }
  })
})
