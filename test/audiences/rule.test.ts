import { describe, expect, it } from 'vitest'
import { expand } from '../../src/audiences/expand.ts'
import { readRule, type Rule } from '../../src/audiences/rule.ts'
import { Failure } from '../../src/failure.ts'

const leaf: Rule = { operator: 'exists', attribute: 'a' }
// By a loop: ten thousand levels are near what a stack takes.
const not = (levels: number, within: unknown = leaf): unknown =>
  Array.from({ length: levels }).reduce((expression) => ({ operator: 'not', expression }), within)
const many = (count: number, one: unknown = leaf) => Array.from({ length: count }, () => one)
const or = (...expressions: unknown[]) => ({ operator: 'or', expressions })
const over = (expression: unknown, operator = 'any_member') => ({
  operator,
  group: 'household',
  expression,
})
const equals = (value: unknown, more = {}) => ({
  operator: 'equals',
  attribute: 'a',
  value,
  ...more,
})
const uses = (audience: string) => ({ operator: 'in_audience', audience })

/** Where a refusal points to, and what it says; undefined if nothing was refused. */
function refusal(of: () => unknown): [pointer: string, problem: string] | undefined {
  try {
    of()
  } catch (error) {
    if (error instanceof Failure && error.facts.reason === 'rule-refused')
      return [error.facts.pointer, error.facts.problem]
    throw error
  }
  return undefined
}

describe('a rule that is read', () => {
  it.each<[rule: string, pointer: string, problem: RegExp]>([
    ['null', '/rule', /must be an object/],
    ['[]', '/rule', /must be an object/],
    ['"and"', '/rule', /must be an object/],
    ['true', '/rule', /must be an object/],
    ['{}', '/rule/operator', /must be one of and, or, not, equals.*in_audience$/],
    ['{"operator":"AND","expressions":[]}', '/rule/operator', /must be one of/],
    ['{"operator":["and"]}', '/rule/operator', /must be one of/],
    ['{"operator":"__proto__"}', '/rule/operator', /must be one of/],
    ['{"operator":"constructor"}', '/rule/operator', /must be one of/],
    ['{"operator":"toString"}', '/rule/operator', /must be one of/],
    ['{"__proto__":{"operator":"exists","attribute":"a"}}', '/rule/operator', /must be one of/],
    ['{"operator":"and"}', '/rule/expressions', /is required/],
    ['{"operator":"and","expressions":[]}', '/rule/expressions', /must not be empty/],
    ['{"operator":"or","expressions":{}}', '/rule/expressions', /must be a list/],
    ['{"operator":"or","expressions":{"length":1,"0":1}}', '/rule/expressions', /must be a list/],
    ['{"operator":"or","expressions":[1]}', '/rule/expressions/0', /must be an object/],
    [
      '{"operator":"or","expressions":[{"operator":"exists","attribute":"a"},{"operator":"exists"}]}',
      '/rule/expressions/1/attribute',
      /required/,
    ],
    ['{"operator":"not"}', '/rule/expression', /is required/],
    ['{"operator":"not","expression":null}', '/rule/expression', /must be an object/],
    [
      '{"operator":"not","expression":{"operator":"not","expression":{}}}',
      '/rule/expression/expression/operator',
      /must be one of/,
    ],
    ['{"operator":"exists","attribute":""}', '/rule/attribute', /not empty/],
    ['{"operator":"exists","attribute":5}', '/rule/attribute', /must be a string/],
    ['{"operator":"exists","attribute":null}', '/rule/attribute', /must be a string/],
    ['{"operator":"exists","attribute":"a","value":1}', '/rule/value', /is not a field of exists/],
    ['{"operator":"equals","attribute":"a"}', '/rule/value', /is required/],
    ['{"operator":"equals","value":1}', '/rule/attribute', /is required/],
    [
      '{"operator":"equals","attribute":"a","value":null}',
      '/rule/value',
      /string, a finite number or a boolean/,
    ],
    [
      '{"operator":"equals","attribute":"a","value":[1]}',
      '/rule/value',
      /string, a finite number or a boolean/,
    ],
    [
      '{"operator":"less_than","attribute":"a","value":{"toString":"5"}}',
      '/rule/value',
      /string, a finite number or a boolean/,
    ],
    ['{"operator":"equals","attribute":"a","value":1e999}', '/rule/value', /finite/],
    ['{"operator":"equals","attribute":"a","value":-1e999}', '/rule/value', /finite/],
    ['{"operator":"in","attribute":"a"}', '/rule/value', /is required/],
    ['{"operator":"in","attribute":"a","value":"x"}', '/rule/value', /must be a list/],
    ['{"operator":"in","attribute":"a","value":[]}', '/rule/value', /must not be empty/],
    [
      '{"operator":"not_in","attribute":"a","value":[1,"2",null]}',
      '/rule/value/2',
      /string, a finite number or a boolean/,
    ],
    [
      '{"operator":"not_in","attribute":"a","value":[1,[2]]}',
      '/rule/value/1',
      /string, a finite number or a boolean/,
    ],
    ['{"operator":"in","attribute":"a","value":[1e999]}', '/rule/value/0', /finite/],
    [
      '{"operator":"any_member","expression":{"operator":"exists","attribute":"a"}}',
      '/rule/group',
      /is required/,
    ],
    [
      '{"operator":"any_member","group":7,"expression":{"operator":"exists","attribute":"a"}}',
      '/rule/group',
      /must be a string/,
    ],
    ['{"operator":"all_members","group":"household"}', '/rule/expression', /is required/],
    [
      '{"operator":"no_member","group":"household","expressions":[]}',
      '/rule/expression',
      /is required/,
    ],
    ['{"operator":"in_group"}', '/rule/group', /is required/],
    [
      '{"operator":"in_group","group":"g","expression":{"operator":"exists","attribute":"a"}}',
      '/rule/expression',
      /is not a field of in_group/,
    ],
    ['{"operator":"in_audience"}', '/rule/audience', /is required/],
    [
      '{"operator":"in_audience","audience":"x","expression":{"operator":"exists","attribute":"a"}}',
      '/rule/expression',
      /is not a field/,
    ],
    [
      '{"operator":"exists","attribute":"a","a/b~c":1}',
      '/rule/a~1b~0c',
      /is not a field of exists/,
    ],
    ['{"operator":"exists","attribute":"a","~1":1}', '/rule/~01', /is not a field of exists/],
    ['{"operator":"exists","attribute":"a","":1}', '/rule/', /is not a field of exists/],
    [
      '{"operator":"exists","attribute":"a","__proto__":{}}',
      '/rule/__proto__',
      /is not a field of exists/,
    ],
    [
      '{"operator":"exists","attribute":"a","constructor":1}',
      '/rule/constructor',
      /is not a field of exists/,
    ],
    [
      '{"operator":"exists","attribute":"a","hasOwnProperty":1}',
      '/rule/hasOwnProperty',
      /is not a field of exists/,
    ],
    [
      '{"operator":"or","expressions":[{"operator":"exists","attribute":"a","Value":1}]}',
      '/rule/expressions/0/Value',
      /is not a field/,
    ],
  ])('%s is refused at %s', (given, pointer, problem) => {
    expect(refusal(() => readRule(JSON.parse(given)))).toEqual([
      pointer,
      expect.stringMatching(problem),
    ])
  })

  it('is required', () => {
    expect(refusal(() => readRule(undefined))).toEqual(['/rule', 'is required'])
    expect(refusal(() => readRule({}, '/other'))?.[0]).toBe('/other/operator')
  })

  it.each<[string, unknown, pointer: string]>([
    [
      'a name of 257 characters',
      { operator: 'exists', attribute: 'a'.repeat(257) },
      '/rule/attribute',
    ],
    ['a definition of 257 characters', { ...over(leaf), group: 'a'.repeat(257) }, '/rule/group'],
    ['a value of 4,097 characters', equals('a'.repeat(4097)), '/rule/value'],
    ['a value of 4,097 emoji', equals('😀'.repeat(4097)), '/rule/value'],
    [
      'a listed value of 4,097 characters',
      { operator: 'in', attribute: 'a', value: ['a', 'a'.repeat(4097)] },
      '/rule/value/1',
    ],
    ['1,001 values', { operator: 'in', attribute: 'a', value: many(1001, 'a') }, '/rule/value'],
    ['101 expressions', or(...many(101)), '/rule/expressions'],
    ['a level 11', not(10), `/rule${'/expression'.repeat(10)}`],
    ['10,000 levels', not(10_000), `/rule${'/expression'.repeat(10)}`],
    [
      '10,000 lists in lists',
      Array.from({ length: 10_000 }).reduce((inner) => or(inner), leaf),
      `/rule${'/expressions/0'.repeat(10)}`,
    ],
  ])('cannot have %s', (_, given, pointer) => {
    expect(refusal(() => readRule(JSON.parse(JSON.stringify(given))))?.[0]).toBe(pointer)
  })

  it('comes back as given, at its longest and with names like __proto__', () => {
    for (const given of [
      { operator: 'exists', attribute: '😀'.repeat(256) },
      equals('😀'.repeat(4096)),
      { operator: 'not_in', attribute: 'a', value: many(1000, '') },
      or(...many(100)),
      not(9),
      over(uses('x'), 'no_member'),
      ...['__proto__', 'constructor', 'toString', 'a\0b', "'", ' '].map((attribute) => ({
        operator: 'matches',
        attribute,
        value: attribute,
      })),
    ]) {
      expect(readRule(given)).toEqual(given)
    }
    expect(readRule(equals('\ud800a\udfff'))).toEqual(equals('\ufffda\ufffd'))
    expect(readRule({ operator: 'exists', attribute: '\ud800' })).toEqual({
      operator: 'exists',
      attribute: '\ufffd',
    })
    expect(readRule({ operator: 'in', attribute: 'a', value: ['\udc00'] })).toMatchObject({
      value: ['\ufffd'],
    })
    expect(readRule({ operator: 'in_group', group: 'ABC' })).toEqual({
      operator: 'in_group',
      group: 'abc',
    })
  })
})

describe('a rule with the audiences that it uses', () => {
  const read = (given: unknown) => readRule(given)
  const expanded = (given: unknown, audiences: Record<string, unknown> = {}, own?: string) =>
    expand(read(given), new Map(Object.entries(audiences).map(([id, one]) => [id, read(one)])), own)

  it('has their rules in the places where it names them', () => {
    const audiences = { x: or(uses('y'), leaf), y: not(1) }
    expect(expanded(not(1, uses('x')), audiences, 'self')).toEqual(
      not(1, { ...uses('x'), expression: or({ ...uses('y'), expression: not(1) }, leaf) }),
    )
    expect(expanded(or(uses('y'), uses('y')), audiences)).toEqual(
      or(...many(2, { ...uses('y'), expression: not(1) })),
    )
  })

  it.each<[string, unknown, Record<string, unknown>, pointer: string, problem: RegExp]>([
    [
      'an audience that is not there',
      or(leaf, uses('gone')),
      {},
      '/rule/expressions/1',
      /no audience: gone/,
    ],
    ['one whose name objects have', uses('__proto__'), {}, '/rule', /no audience: __proto__/],
    [
      'one that uses one that is not there',
      or(uses('x')),
      { x: or(leaf, uses('gone')) },
      '/rule/expressions/0',
      /no audience: gone/,
    ],
    [
      'itself',
      not(2, uses('self')),
      { self: leaf },
      '/rule/expression/expression',
      /back to the audience self/,
    ],
    [
      'itself through another',
      uses('x'),
      { x: not(1, uses('self')), self: leaf },
      '/rule',
      /back to the audience self/,
    ],
    [
      'one that uses itself',
      or(leaf, uses('x')),
      { x: not(1, uses('x')) },
      '/rule/expressions/1',
      /back to the audience x/,
    ],
    [
      'two that use each other',
      or(uses('x')),
      { x: uses('y'), y: or(uses('x')) },
      '/rule/expressions/0',
      /back to the audience x/,
    ],
    [
      'a level 11',
      not(8, uses('x')),
      { x: not(1) },
      `/rule${'/expression'.repeat(8)}`,
      /deeper than 10/,
    ],
    [
      '101 conditions',
      or(or(...many(60)), or(...many(41))),
      {},
      '/rule/expressions/1/expressions/40',
      /100 conditions/,
    ],
    [
      '101 conditions with others',
      or(...many(51), uses('x')),
      { x: or(...many(50)) },
      '/rule/expressions/51',
      /100 conditions/,
    ],
    [
      '101 groups',
      or(...many(2, or(...many(51, { operator: 'in_group', group: 'g' })))),
      {},
      '/rule/expressions/1/expressions/49',
      /100 conditions/,
    ],
    [
      'members of members',
      over(not(1, over(leaf))),
      {},
      '/rule/expression/expression',
      /members of members/,
    ],
    [
      'members of members through others',
      or(over(uses('x'))),
      { x: or(leaf, over(leaf)) },
      '/rule/expressions/0/expression',
      /members of/,
    ],
    [
      'members in an audience of members',
      over(or(leaf, uses('x'))),
      { x: uses('y'), y: over(leaf) },
      '/rule/expression/expressions/1',
      /members/,
    ],
    ...['any_member', 'all_members', 'no_member'].flatMap((outer) =>
      ['any_member', 'all_members', 'no_member'].map(
        (inner): [string, unknown, Record<string, unknown>, string, RegExp] => [
          `${inner} in ${outer}`,
          over(over(leaf, inner), outer),
          {},
          '/rule/expression',
          /members of members/,
        ],
      ),
    ),
  ])('cannot have %s', (_, given, audiences, pointer, problem) => {
    expect(refusal(() => expanded(given, audiences, 'self'))).toEqual([
      pointer,
      expect.stringMatching(problem),
    ])
  })

  it('may have 10 levels, 100 conditions, one audience twice, several member conditions', () => {
    const audiences = { x: or(...many(50)), y: over(leaf), deep: not(2) }
    for (const given of [
      or(uses('x'), uses('x')),
      or(...many(50), uses('x')),
      or(over(leaf), uses('y')),
      not(6, uses('deep')),
      not(9),
    ])
      expect(refusal(() => expanded(given, audiences, 'self'))).toBeUndefined()
  })

  it('ends soon where audiences use each other twice, level by level', () => {
    const audiences = Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => [
        `a${i}`,
        i === 0 ? leaf : or(...many(100, uses(`a${i - 1}`))),
      ]),
    )
    expect(refusal(() => expanded(uses('a8'), audiences))?.[0]).toBe('/rule')
    expect(refusal(() => expanded(uses('a4'), audiences))).toEqual([
      '/rule',
      expect.stringMatching(/100 conditions/),
    ])
  })
})
