import fc from 'fast-check'
import { comparisons, type Rule } from '../../src/audiences/rule.ts'
import { functions } from '../../src/db/schema.ts'
import type { Value } from '../../src/identity/attributes.ts'
import type { Cohort, Definition, Population, User } from './evaluate.ts'

// Few of each, so that rules match; a hostile one now and then.
const userIds = ['u1', 'U1', 'u2', "o'u", 'é', '😀', '～', '%', '\\']
const ownNames = [
  'a',
  'a',
  'b',
  'b',
  'A',
  "it's",
  '%',
  '__proto__',
  'household:a',
  'household:gone',
  'team:a',
  ':a',
  '😀'.repeat(256),
]
const sharedNames = ['a', 'a', 'b', 'b:c', "it's", 'constructor']
const definitionIds = ['household', 'team']
export const cohortIds = [
  '6f1f3c4e-0000-4000-8000-00000000000a',
  '6f1f3c4e-0000-4000-8000-00000000000b',
]

const names = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b') },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...definitionIds), fc.constantFrom(...sharedNames))
      .map((both) => both.join(':')),
  },
  { weight: 3, arbitrary: fc.constantFrom(...ownNames) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'a\0',
      '\0',
      'a\0b',
      'a\ud800',
      'household',
      'nobody:a',
      "a' OR '1'='1",
      'household:a\0',
    ),
  },
)

const numbers = [
  0,
  1,
  -1,
  5,
  5.5,
  0.1,
  0.30000000000000004,
  1 / 3,
  1e3,
  1e15,
  1e21,
  1e-7,
  12345678901234567,
  9007199254740992,
  1e308,
]
const numerals = [
  ' 5 ',
  '+5',
  '.5',
  '5.',
  '05',
  '0x10',
  '1e3',
  '1E+3',
  '5.50',
  'Infinity',
  'NaN',
  '-0',
  '1e999',
  '1e-400',
  '5\u00a0',
  '\u200b5',
  '1E5',
  '100000',
  '01234',
  '1234',
  '1,000',
]
/** Around the largest exact double, the largest 64-bit integer, and beyond. */
const large = [2n ** 53n, 2n ** 63n, 10n ** 21n, 10n ** 30n].flatMap((middle) =>
  [-1n, 0n, 1n].flatMap((aside) => [middle + aside, -middle + aside]),
)
const dates = [
  '2026-11-01',
  '2026-11-01T00:00Z',
  '2026-11-01T01:00:00+01:00',
  '2026-10-31 23:00:00.000-0100',
  ' 2026-11-01T00:00 ',
  '2026-11-01t00:00:00,5z',
  '2026-11-01T00:00:00.500',
  '2026-11-01T00:00:00.501+00',
  '2026-10-31',
  '2024-02-29',
  '2026-02-30',
  '2026-11-01T24:00',
  '2026-11-01T',
  '2026-11-01T00:00 Z',
  '2026-11-01T00:00:00.Z',
  '2026-13-01',
  '20261101',
  '2026-11-1',
  '9999-12-31T23:59-01:00',
  '0000-01-01',
]
const numeralsAlike = [
  ...large.map(String),
  '+9007199254740993',
  '0009007199254740993 ',
  '9007199254740993.0',
  '1e21',
  '5',
  '5.5',
  '0.3',
  '1e+21',
  '\t5\n',
  '5 5',
  '-',
  '1_0',
  '٥',
]
const words = [
  '',
  '',
  ' ',
  'a',
  'ab',
  'aB',
  'B',
  'TRUE',
  'true',
  'False',
  'null',
  '["a"]',
  'é',
  'e\u0301',
  'É',
  '\u212a',
  'k',
  'Zürich',
  'ZU\u0308RICH',
  'straße',
  'STRASSE',
  'ΟΔΟΣ',
  'οδος',
  'İ',
  'ı',
  ' TRUE ',
  'true\u00a0',
  'FALSE\n',
  '\ufffd',
]
const letters = [
  'a',
  'A',
  'a',
  'b',
  'B',
  '5',
  '%',
  '_',
  "'",
  '"',
  '\\',
  '[',
  ']',
  '*',
  '?',
  '😀',
  'é',
  '\u0301',
  '\ue000',
  '\n',
]
const long = [
  'a'.repeat(4096),
  `${'a'.repeat(4095)}b`,
  'aB'.repeat(2048),
  '😀'.repeat(4096),
  `${'a'.repeat(2047)}é${'A'.repeat(2048)}`,
]

const word = (signs: string[], maxLength: number) =>
  fc.array(fc.constantFrom(...signs), { maxLength, size: 'max' }).map((all) => all.join(''))

const text = fc.oneof(
  { weight: 6, arbitrary: word(letters, 4) },
  { weight: 6, arbitrary: fc.constantFrom(...words) },
  { weight: 6, arbitrary: fc.constantFrom(...numerals, ...numeralsAlike) },
  { weight: 4, arbitrary: fc.constantFrom(...dates) },
  { weight: 1, arbitrary: fc.constantFrom(...long) },
)

/** So few that a rule's and a user's are the same now and then. */
const usual = { weight: 4, arbitrary: fc.constantFrom('a', 'aB', '5', 5) }

const plain: fc.Arbitrary<Value> = fc.oneof(
  usual,
  { weight: 6, arbitrary: text },
  { weight: 3, arbitrary: fc.constantFrom(...numbers) },
  { weight: 1, arbitrary: fc.boolean() },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.oneof(
        word(letters, 3),
        fc.constantFrom(...words, ...numerals, ...numeralsAlike, ...dates),
      ),
      {
        maxLength: 4,
      },
    ),
  },
)

/** Items of lists have 512 characters at most. */
const isShort = (all: string[]) => all.every((one) => [...one].length <= 512)

const result = fc.constantFrom(...functions).chain((made) => {
  const results: Record<typeof made, fc.Arbitrary<Value>> = {
    latest: plain,
    boolean_or: fc.boolean(),
    sum: fc.constantFrom(...numbers),
    average: fc.constantFrom(...numbers),
    min: fc.oneof(text, fc.constantFrom(...numbers)),
    max: fc.oneof(text, fc.constantFrom(...numbers)),
    count: fc.nat(5),
    count_distinct: fc.nat(5),
    boolean_and: fc.boolean(),
    earliest: plain,
    most_frequent: fc.oneof(text, fc.constantFrom(...numbers), fc.boolean()),
    unique_list: fc.uniqueArray(text, { minLength: 1, maxLength: 4 }).filter(isShort),
  }
  return fc.record({ function: fc.constant(made), result: fc.option(results[made], { freq: 6 }) })
})

const shared = fc.uniqueArray(
  fc.tuple(fc.constantFrom(...sharedNames), result).map(([name, one]) => ({ name, ...one })),
  { selector: ({ name }) => name, maxLength: 5, size: 'max' },
)

const own = fc.array(fc.tuple(fc.constantFrom(...ownNames), fc.option(plain, { freq: 8 })), {
  maxLength: 8,
  size: 'max',
})

/** A definition's groups: each user in one or none. */
const definition = (id: string, users: string[]): fc.Arbitrary<Definition> =>
  fc
    .record({
      deleted: fc.boolean().map((one) => one && id === 'team'),
      places: fc.array(fc.constantFrom(0, 0, 1, 2, -1), {
        minLength: users.length,
        maxLength: users.length,
      }),
      shared: fc.tuple(shared, shared, shared),
      // Mostly what was computed for the first group is what is shared.
      now: fc.tuple(
        fc.integer({ min: 0, max: 5 }),
        fc.uniqueArray(fc.constantFrom(...sharedNames), { maxLength: 2 }),
      ),
    })
    .map(({ deleted, places, shared, now: [kept, others] }) => {
      const first = shared[0]
        .slice(0, kept + 1)
        .map((one) => ({ id: one.name, type: one.function }))
      const more = others
        .filter((name) => first.every(({ id }) => id !== name))
        .map((id) => ({ id, type: 'latest' as const }))
      const groups = shared.map((one, i) => ({
        members: users.filter((_, at) => places[at] === i),
        shared: one,
      }))
      return {
        id,
        deleted,
        shares: [...first, ...more],
        groups: groups.filter(({ members }) => members.length > 0),
      }
    })

const cohort = (id: string, users: string[]): fc.Arbitrary<Cohort> =>
  fc.record({
    id: fc.constant(id),
    deleted: fc.constantFrom(false, false, false, true),
    revision: fc.nat(3),
    members: fc
      .uniqueArray(
        fc.record({
          user: fc.constantFrom(...users),
          added: fc.integer({ min: 1, max: 3 }),
          for: fc.option(fc.integer({ min: 1, max: 2 })),
        }),
        { selector: ({ user }) => user, maxLength: users.length, size: 'max' },
      )
      .map((all) =>
        all.map(({ user, added, for: time }) => ({
          user,
          added,
          removed: time === null ? null : added + time,
        })),
      ),
  })

export const population: fc.Arbitrary<Population> = fc
  .uniqueArray(
    fc
      .record({ id: fc.constantFrom(...userIds), own })
      .map(({ id, own }): User => ({ id, own: new Map(own) })),
    { selector: ({ id }) => id, minLength: 3, maxLength: 9, size: 'max' },
  )
  .chain((users) => {
    const ids = users.map(({ id }) => id)
    return fc.record({
      users: fc.constant(users),
      definitions: fc.tuple(definition('household', ids), definition('team', ids)),
      cohorts: fc.tuple(...cohortIds.map((id) => cohort(id, ids))),
    })
  })

const scalar = fc.oneof(
  usual,
  { weight: 8, arbitrary: text },
  { weight: 4, arbitrary: fc.constantFrom(-0, ...numbers) },
  { weight: 3, arbitrary: fc.constantFrom(...large) },
  { weight: 1, arbitrary: fc.boolean() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'a\0',
      '\0',
      '\0a',
      'a\0b',
      '\ud800',
      'a\udfff',
      "' OR 1=1 --",
      '?1',
      '$.a',
    ),
  },
)
const piece = fc.oneof({ weight: 4, arbitrary: word(letters, 2) }, { weight: 1, arbitrary: scalar })
const signs = [
  '*',
  '*',
  '?',
  'a',
  'A',
  'b',
  '5',
  '.',
  '😀',
  'é',
  '%',
  '[',
  '\\',
  "'",
  'a\0',
  '\ud800',
]
const pattern = fc.oneof(
  { weight: 8, arbitrary: word(signs, 6) },
  { weight: 1, arbitrary: scalar },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '*a*a*a*b',
      '*a?a*',
      '?'.repeat(4096),
      `*${'?'.repeat(4095)}`,
      `${'a?'.repeat(2047)}*b`,
      '*?a?b*',
    ),
  },
)

const compared = fc.constantFrom(...comparisons).chain((operator) => {
  const value = operator === 'matches' ? pattern : /contains|with/.test(operator) ? piece : scalar
  return fc.record({ operator: fc.constant(operator), attribute: names, value })
})

const leaf: fc.Arbitrary<Rule> = fc.oneof(
  { weight: 12, arbitrary: compared },
  {
    weight: 2,
    arbitrary: fc.record({
      operator: fc.constantFrom('in', 'not_in'),
      attribute: names,
      value: fc.array(scalar, { minLength: 1, maxLength: 5, size: 'max' }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ operator: fc.constantFrom('exists', 'not_exists'), attribute: names }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      operator: fc.constant('in_group'),
      group: fc.constantFrom(...cohortIds),
    }),
  },
)

const used = (audiences: string[]): fc.Arbitrary<Rule> =>
  fc.record({ operator: fc.constant('in_audience'), audience: fc.constantFrom(...audiences) })

/** Rules of this many levels, without members of members, which may use these audiences. */
function ruleOf(levels: number, audiences: string[], outside: boolean): fc.Arbitrary<Rule> {
  const leaves =
    audiences.length === 0
      ? leaf
      : fc.oneof({ weight: 9, arbitrary: leaf }, { weight: 1, arbitrary: used(audiences) })
  if (levels === 1) return leaves
  const below = ruleOf(levels - 1, audiences, outside)
  const expressions = fc.array(below, { minLength: 1, maxLength: 3, size: 'max' })
  const all = [
    { weight: 2, arbitrary: leaves },
    { weight: 4, arbitrary: fc.record({ operator: fc.constantFrom('and', 'or'), expressions }) },
    { weight: 1, arbitrary: fc.record({ operator: fc.constant('not'), expression: below }) },
  ] satisfies { weight: number; arbitrary: fc.Arbitrary<Rule> }[]
  const overMembers: fc.Arbitrary<Rule> = fc.record({
    operator: fc.constantFrom('any_member', 'all_members', 'no_member'),
    group: fc.constantFrom('household', 'household', 'household', 'team', 'nobody'),
    expression: ruleOf(
      levels - 1,
      audiences.filter((one) => one !== 'neighbours'),
      false,
    ),
  })
  return fc.oneof(...all, ...(outside ? [{ weight: 4, arbitrary: overMembers }] : []))
}

/** Audiences that others use: one with conditions, one that uses it, one about members. */
export const audiences = fc
  .record({
    plain: ruleOf(2, [], false),
    built: ruleOf(2, ['plain'], false),
    neighbours: ruleOf(3, ['plain'], true),
  })
  .map((all) => new Map(Object.entries(all)))

export const rule = ruleOf(5, ['plain', 'built', 'neighbours'], true)
