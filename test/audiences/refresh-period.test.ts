import { describe, expect, it } from 'vitest'
import { nextRefresh } from '../../src/audiences/refresh-period.ts'

const next = (refresh: 'on_demand' | 'weekly' | 'daily', at: string) => {
  const ms = nextRefresh(refresh, Date.parse(at))
  return ms === null ? null : new Date(ms).toISOString()
}

describe('when an audience syncs next', () => {
  it('is on Monday at three, or each day at four', () => {
    expect(next('weekly', '2026-11-28T19:00:00Z')).toBe('2026-11-30T03:00:00.000Z')
    expect(next('weekly', '2026-11-30T02:59:59Z')).toBe('2026-11-30T03:00:00.000Z')
    expect(next('weekly', '2026-11-30T03:00:00Z')).toBe('2026-12-07T03:00:00.000Z')
    expect(next('daily', '2026-11-28T03:59:59Z')).toBe('2026-11-28T04:00:00.000Z')
    expect(next('daily', '2026-11-28T04:00:00Z')).toBe('2026-11-29T04:00:00.000Z')
  })

  it('is never by itself where people do it by hand', () => {
    expect(next('on_demand', '2026-11-28T19:00:00Z')).toBe(null)
  })
})
