import { describe, expect, it } from 'vitest'
import { checkCost, costOf, costShown } from '../../src/audiences/cost.ts'
import { readRule, type Rule } from '../../src/audiences/rule.ts'
import { Failure } from '../../src/failure.ts'

const budget = { ruleCostMax: 100_000, groupUsersMax: 10 }
const or = (...expressions: unknown[]) => readRule({ operator: 'or', expressions })
const many = (count: number, one: (i: number) => unknown) =>
  or(...Array.from({ length: count }, (_, i) => one(i)))
const matches = (value: string) => ({ operator: 'matches', attribute: 'a', value })
const contains = (value: string) => ({ operator: 'contains', attribute: 'a', value })
const equals = { operator: 'equals', attribute: 'a', value: 'x' }
const over = (expression: unknown) => ({ operator: 'any_member', group: 'home', expression })
const shown = (rule: Rule) => costShown(costOf(rule, budget))

/** The pointer of a refusal; undefined: the rule is taken. */
function refusedAt(rule: Rule, given = budget): string | undefined {
  try {
    checkCost(rule, given)
    return undefined
  } catch (error) {
    if (error instanceof Failure && error.facts.reason === 'rule-refused')
      return error.facts.pointer
    throw error
  }
}

describe('the cost of a rule', () => {
  it('grows with its conditions, members, texts and items', () => {
    expect(shown(or(equals))).toBe(230)
    expect(shown(many(100, () => equals))).toBe(23_000)
    expect(shown(or(over(equals)))).toBe(200 + 15 + 10 * 30)
    expect(costShown(costOf(or(over(equals)), { groupUsersMax: 50 }))).toBe(200 + 15 + 50 * 30)
    expect(shown(or(contains('x'.repeat(4000))))).toBe(shown(or(contains(''))) + 200)
    const list = (items: number) =>
      or({ operator: 'in', attribute: 'a', value: Array.from({ length: items }, String) })
    expect(shown(list(1000)) - shown(list(1))).toBe(2 * 999)
  })

  it('grows with a moment, and with an integer beyond 64 bits', () => {
    const of = (operator: string, value: unknown) => shown(or({ ...equals, operator, value }))
    for (const operator of ['equals', 'not_equals', 'less_than', 'greater_than_equal']) {
      expect(of(operator, '2026-11-01')).toBe(530)
      expect(of(operator, 10n ** 30n)).toBe(680)
      expect(of(operator, '2026-11-31')).toBe(230)
      expect(of(operator, 2 ** 62)).toBe(230)
    }
    expect(of('not_in', ['x', '2026-11-01', 5, '2026-11-02', 1e30])).toBe(980 + 2 * 5)
    expect(of('starts_with', '2026-11-01')).toBe(230)
  })

  it('grows with the longest piece of a pattern, and with the pieces of a long one', () => {
    const of = (pattern: string) => shown(or(matches(pattern)))
    expect(of('*aaaa*')).toBeGreaterThan(of('*a*'))
    expect(of('*a*a*a*')).toBe(of('*a*'))
    expect(of('?*?*?*')).toBe(of('???*'))
    expect(of('*ab'.repeat(40))).toBeGreaterThan(of('*ab'.repeat(20)))
    expect(of(`*${'a?'.repeat(100)}*`)).toBeGreaterThan(10_000)
  })

  it('counts what a used audience brings in', () => {
    const used = readRule({ operator: 'in_audience', audience: 'other' })
    const rule: Rule = { ...used, expression: many(10, () => equals) } as Rule // expanded
    expect(shown(rule)).toBe(2300)
  })
})

describe('a rule within the budget', () => {
  it.each<[title: string, rule: Rule]>([
    ['100 plain conditions', many(100, () => equals)],
    ['100 plain conditions on members', many(100, () => over(equals))],
    ['100 patterns on members', many(100, () => over(matches('a?b*cx?d*?e*?f')))],
    ['100 long texts', many(100, (i) => contains(`${i}`.padEnd(4096)))],
    [
      '20 long lists',
      many(20, () => ({ ...equals, operator: 'in', value: Array(1000).fill('x') })),
    ],
    [
      '100 lists of values of every type',
      many(100, () => ({ ...equals, operator: 'in', value: ['x', '2026-11-01', 5, 1e30, true] })),
    ],
    ['a long pattern', or(matches(`*${'some words of a sentence '.repeat(40)}*and more*`))],
    ['a pattern of 4,096 question marks', or(matches('?'.repeat(4096)))],
  ])('is taken: %s', (_, rule) => {
    expect(refusedAt(rule)).toBeUndefined()
  })
})

describe('a rule beyond the budget', () => {
  it.each<[title: string, rule: Rule, pointer: string]>([
    [
      '100 of the dearest patterns',
      many(100, () => over(matches(`*${'a?'.repeat(23)}b*`))),
      '/rule/expressions/0/expression',
    ],
    [
      '100 long lists',
      many(100, () => ({ ...equals, operator: 'in', value: Array(1000).fill('x') })),
      '/rule/expressions/0',
    ],
    ['as many stars as may be', or(equals, matches('?*a'.repeat(1365))), '/rule/expressions/1'],
    [
      'a long piece with question marks',
      or(equals, equals, matches(`*${'a?'.repeat(100)}*`)),
      '/rule/expressions/2',
    ],
  ])('is refused with its dearest condition: %s', (_, rule, pointer) => {
    expect(refusedAt(rule)).toBe(pointer)
  })

  it('points to the node that uses an audience', () => {
    const used = { operator: 'in_audience' as const, audience: 'other' }
    const rule = {
      operator: 'and' as const,
      expressions: [readRule(equals), { ...used, expression: or(matches('?*a'.repeat(1365))) }],
    }
    expect(refusedAt(rule)).toBe('/rule/expressions/1')
  })

  it('is one that a smaller budget does not allow', () => {
    expect(
      refusedAt(
        many(100, () => equals),
        { ...budget, ruleCostMax: 22_999 },
      ),
    ).toBe('/rule/expressions/0')
    expect(
      refusedAt(
        many(100, () => equals),
        { ...budget, ruleCostMax: 23_000 },
      ),
    ).toBeUndefined()
  })
})
