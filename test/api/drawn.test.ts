import { describe, expect, it } from 'vitest'
import { distanceFor } from '../../src/api/console/audiences/circles.ts'
import { placeIn } from '../../src/api/console/audiences/rule-words.ts'

describe('two circles', () => {
  it('touch where they have nothing in common, and hold one another where all', () => {
    expect(distanceFor(3, 2, 0)).toBeCloseTo(5, 6)
    expect(distanceFor(3, 2, Math.PI * 4)).toBeCloseTo(1, 6)
  })

  it('have the area in common that they are drawn for', () => {
    // Two circles of radius 1, their centres 1 apart: 2π/3 − √3/2.
    expect(distanceFor(1, 1, (2 * Math.PI) / 3 - Math.sqrt(3) / 2)).toBeCloseTo(1, 6)
  })
})

describe('a place in a rule', () => {
  it('is said as people count', () => {
    expect(placeIn('/rule')).toBe('The rule')
    expect(placeIn('/rule/operator')).toBe('The operator of the rule')
    expect(placeIn('/rule/expressions/1/expressions/0/value')).toBe('The value of condition 2.1')
    expect(placeIn('/rule/expressions/0/expression/attribute')).toBe('The attribute of condition 1')
  })
})
