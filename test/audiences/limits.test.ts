import { describe, expect, it } from 'vitest'
import { createAudience } from '../../src/audiences/audiences.ts'
import { explainUser } from '../../src/audiences/explain.ts'
import { audiencesOf } from '../../src/audiences/memberships.ts'
import { overlap } from '../../src/audiences/questions.ts'
import { compileQuery } from '../../src/audiences/query.ts'
import { groupsIn, readRule } from '../../src/audiences/rule.ts'
import { membersOf } from '../support/api.ts'
import { crowd, jobsIn, invokeJob, syncBy } from '../support/audiences.ts'
import { hazardous } from '../support/hazard.ts'
import { evaluate, type Population } from './evaluate.ts'
import { resolved, belonging, db, grouping, populate } from './populate.ts'

// D1 takes SQL of 100,000 bytes; what stands around a condition is far below 2,000.
const conditionMax = 98_000

const longName = 'n'.repeat(256)
const inherited = `household:${longName.slice(0, 246)}`
const people: Population = {
  users: [
    {
      id: 'ann',
      own: new Map<string, string | number | string[]>([
        ['n', 5],
        [longName, 'axb--c.d--.e--.x'],
        ['list', ['a', 'B']],
      ]),
    },
    { id: 'bob', own: new Map([['n', 'nothing']]) },
    { id: 'cid', own: new Map() },
  ],
  definitions: [
    {
      id: 'household',
      deleted: false,
      shares: [{ id: longName.slice(0, 246), type: 'latest' }],
      groups: [
        {
          members: ['ann', 'bob'],
          shared: [
            { name: longName.slice(0, 246), function: 'latest', result: 'axb--c.d--.e--.f' },
          ],
        },
        {
          members: ['cid'],
          shared: [{ name: longName.slice(0, 246), function: 'latest', result: 'other' }],
        },
      ],
    },
  ],
  cohorts: [
    { id: 'g', deleted: false, revision: 1, members: [{ user: 'ann', added: 1, removed: null }] },
  ],
}

const many = (count: number, one: (i: number) => unknown) =>
  Array.from({ length: count }, (_, i) => one(i))
const or = (...expressions: unknown[]) => ({ operator: 'or', expressions })
const and = (...expressions: unknown[]) => ({ operator: 'and', expressions })
const not = (expression: unknown) => ({ operator: 'not', expression })
const over = (expression: unknown, operator = 'any_member') => ({
  operator,
  group: 'household',
  expression,
})
const matches = (attribute: string, i = 0) => ({
  operator: 'matches',
  attribute,
  value: `a?b*c${i % 2 ? 'x' : ''}?d*?e*?f`,
})
const nested = (
  levels: number,
  wrap: (inner: unknown, level: number) => unknown,
  core: unknown,
): unknown => (levels === 0 ? core : wrap(nested(levels - 1, wrap, core), levels))
const wide = {
  operator: 'in',
  attribute: 'n',
  value: many(1000, (i) => (i % 3 === 0 ? i : `${i}`.padEnd(4096 / 64, 'x'))),
}

/** A value of each type that is compared in a way of its own. */
const everyType = ['É', '2026-11-01', 5, 10n ** 30n, true]

const largest: [title: string, rule: unknown][] = [
  [
    '10 levels below members, by values of every type',
    over(
      nested(
        8,
        (inner) =>
          and(
            inner,
            ...many(11, (i) => ({
              operator: 'less_than',
              attribute: inherited,
              value: everyType[i % everyType.length],
            })),
          ),
        { operator: 'in', attribute: inherited, value: everyType },
      ),
    ),
  ],
  [
    '100 lists of values of every type',
    or(...many(100, (i) => ({ operator: 'in', attribute: `n${i}`, value: everyType }))),
  ],
  [
    '100 conditions side by side',
    or(...many(100, (i) => ({ operator: 'equals', attribute: `n${i}`, value: i }))),
  ],
  [
    '100 conditions that all hold',
    and(...many(100, () => ({ operator: 'less_than_equal', attribute: 'n', value: 'z' }))),
  ],
  [
    '100 times members by a pattern on an inherited name',
    or(...many(100, (i) => over(matches(inherited, i + 1)))),
  ],
  [
    '100 times all members by a pattern on an own name',
    and(...many(100, (i) => not(over(matches(longName, i), 'all_members')))),
  ],
  [
    '100 times members by the longest patterns',
    and(
      ...many(100, () =>
        over({
          operator: 'matches',
          attribute: inherited,
          value: ['a?', '?b', 'c?', '?d'].map((one) => one.repeat(511)).join('*'),
        }),
      ),
    ),
  ],
  ['100 patterns of members, in one subquery', over(and(...many(100, () => matches(inherited))))],
  [
    '60 patterns with as many stars as there can be',
    or(...many(60, () => ({ operator: 'matches', attribute: 'n', value: '?*a'.repeat(1365) }))),
  ],
  [
    '100 values of 4,096 characters',
    or(...many(100, () => ({ operator: 'equals', attribute: 'n', value: '😀'.repeat(4096) }))),
  ],
  [
    '100 groups',
    or(...many(100, (i) => ({ operator: 'in_group', group: i === 99 ? 'g' : `none ${i}` }))),
  ],
  [
    '100 lists',
    or(...many(100, () => ({ operator: 'not_in', attribute: 'n', value: many(1000, (i) => i) }))),
  ],
  ['a list of 1,000', wide],
  ['10 levels of not', nested(9, not, matches(inherited))],
  [
    '10 levels of and and or, one each',
    nested(9, (inner, i) => (i % 2 ? and(inner) : or(inner)), wide),
  ],
  [
    '10 levels, each with as many beside it as there can be',
    nested(
      8,
      (inner, i) => (i % 2 ? and : or)(...many(11, (n) => matches(inherited, n)), inner),
      and(...many(12, () => wide)),
    ),
  ],
  [
    '10 levels of not and wide lists, turn by turn, over members',
    nested(
      4,
      (inner) =>
        not(
          or(...many(23, (n) => ({ operator: 'greater_than', attribute: 'n', value: n })), inner),
        ),
      over(matches(inherited)),
    ),
  ],
  ['members at the tenth level but one', nested(8, not, over(matches(inherited), 'no_member'))],
  [
    '10 levels below members',
    over(
      nested(
        8,
        (inner) =>
          and(
            inner,
            ...many(12, () => ({ operator: 'not_contains', attribute: 'list', value: 'c' })),
          ),
        wide,
      ),
    ),
  ],
]

/** The people, and groups of nobody that the rule names beside theirs. */
async function populated(given: unknown): Promise<number> {
  const workspace = await populate(people)
  await grouping(workspace, groupsIn(readRule(given)))
  return workspace
}

describe('the largest rule that may be', () => {
  it.each(largest)('fills a group, and names who cannot be in it: %s', async (_, given) => {
    const { res } = hazardous()
    const workspace = await populated(given)
    const { rule } = await resolved(workspace, given)
    const expected = people.users
      .map(({ id }) => id)
      .filter((id) => evaluate(rule, id, people).result)
    const long = 'x'.repeat(33)
    await crowd(workspace, [long])
    const all = {
      ...people,
      users: [...people.users, { id: long, own: new Map([['team', 'red']]) }],
    }
    const { group, key } = await syncBy(res, workspace, rule)
    await invokeJob(res, workspace, key)
    const badRows = evaluate(rule, long, all).result ? 1 : 0
    expect((await jobsIn(workspace)).at(-1)).toMatchObject({
      rows: expected.length + badRows,
      badRows,
    })
    expect(await membersOf(workspace, group.id)).toEqual(expected)
  })

  it.each(largest)('runs and is counted, listed and explained: %s', async (_, given) => {
    const workspace = await populated(given)
    const question = await resolved(workspace, given)
    const expected = people.users.map(({ id }) => evaluate(question.rule, id, people))
    const matching = people.users.map(({ id }) => id).filter((_, i) => expected[i]?.result)
    expect(await belonging(workspace, question)).toEqual({
      users: matching,
      count: matching.length,
    })
    for (const [i, { id }] of people.users.entries())
      expect(await explainUser(db, workspace, question, { user: id })).toEqual(expected[i])
    // It leaves room in a statement.
    expect(compileQuery(question).condition.length).toBeLessThan(conditionMax)
  })

  it('meets people on whom its patterns fall both ways', async () => {
    const workspace = await populate(people)
    const own = await resolved(workspace, matches(longName))
    expect((await belonging(workspace, own)).users).toEqual([])
    const shared = await resolved(workspace, or(matches(inherited), over(matches(inherited, 1))))
    expect((await belonging(workspace, shared)).users).toEqual(['ann', 'bob'])
  })

  it('overlaps with another up to 100 conditions together, and not beyond', async () => {
    const { res } = hazardous()
    const { limits } = res
    const workspace = await populate(people)
    const save = (id: string, rule: unknown) =>
      createAudience(res, workspace, id, {
        name: id,
        description: '',
        rule: readRule(rule),
        refresh: 'on_demand',
        by: 'tester',
      })
    await save('left', or(...many(50, (i) => over(matches(inherited, i)))))
    await save('right', and(...many(50, () => ({ operator: 'not_exists', attribute: longName }))))
    await save('all', or(...many(100, (i) => over(matches(inherited, i)))))
    expect(await overlap({ db, workspace, limits }, 'left', 'right')).toEqual({
      a: 2,
      b: 2,
      both: 1,
    })
    expect(await overlap({ db, workspace, limits }, 'left', 'left')).toEqual({
      a: 2,
      b: 2,
      both: 2,
    })
    expect((await audiencesOf(db, workspace, 'bob', limits)).map(({ id }) => id)).toEqual([
      'left',
      'right',
      'all',
    ])
    expect((await audiencesOf(db, workspace, 'cid', limits)).map(({ id }) => id)).toEqual(['right'])
    await expect(overlap({ db, workspace, limits }, 'left', 'all')).rejects.toMatchObject({
      facts: { reason: 'invalid', field: 'b' },
    })
  })
})
