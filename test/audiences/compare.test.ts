import { describe, expect, it } from 'vitest'
import type { Value } from '../../src/identity/attributes.ts'
import { resolved, belonging, peopled, populate } from './populate.ts'

/** Which of these values a condition holds for. */
async function holdsFor(operator: string, value: unknown, values: Value[]): Promise<Value[]> {
  const ids = values.map((_, i) => `u${String(i).padStart(3, '0')}`)
  const workspace = await peopled(
    Object.fromEntries(values.map((one, i) => [ids[i], { said: one }])),
  )
  const { users } = await belonging(
    workspace,
    await resolved(workspace, { operator, attribute: 'said', value }),
  )
  return values.filter((_, i) => users.includes(ids[i] ?? ''))
}

describe('a comparison', () => {
  it.each<[operator: string, value: unknown, yes: Value[], no: Value[]]>([
    [
      'equals',
      5,
      [
        5,
        '5',
        ' 5 ',
        '+5',
        '5.',
        '05',
        '5.0',
        '\t5\n',
        '0.5e1',
        '5\u00a0',
        '\u200b5',
        ['x', '5.0'],
      ],
      [true, '٥', '0x5', '5 5', ['x'], [], ''],
    ],
    ['equals', '5', [5, '5', ['4', '5']], ['5.0', ' 5', '05', 'five', '']],
    ['equals', ' x', [' x', ' X'], ['x']],
    ['equals', 'É', ['É', 'é', 'E\u0301', 'e\u0301', ['x', 'é']], ['E', 'e', 'è']],
    ['equals', 'TRUE', [true, 'true', 'True', ['no', 'tRUE']], [false, 1, '1']],
    ['equals', true, [true, 'true', 'TRUE'], [1, false]],
    ['equals', 1, [1, '1'], [true, 'true']],
    ['equals', -0, [0, '0', '-0', '0.0', '1e-400'], ['', ' ', false, []]],
    ['equals', '', ['', ['']], [0, ' ', []]],
    ['equals', 'Infinity', ['infinity', 'INFINITY'], ['1e999', 'inf']],
    ['equals', '1e999', ['1E999'], ['1e998', 'Infinity', '2e999']],
    ['equals', '0x10', ['0X10'], [16, '16']],
    [
      'equals',
      '9007199254740993',
      ['9007199254740993'],
      ['9007199254740992', 9007199254740992, '9007199254740994'],
    ],
    ['equals', 1e21, ['1e+21', '1000000000000000000000', 1e21], ['1e20']],
    ['equals', '["a"]', ['["a"]', '["A"]'], [['a']]],
    ['not_equals', 'a', ['b', 5, [], ['b']], ['a', 'A', ['b', 'a']]],
    ['in', ['a', 5, true], ['A', '5.0', 'True', ['x', 'A']], ['b', 4, false, []]],
    ['not_in', ['a', 5, true], ['b', 4, false, []], ['A', '5.0', 'True', ['x', 'A']]],
    [
      'less_than',
      10,
      [9, '9', '-1', ' 9.5 ', ['99', '9'], '1'],
      [10, '10.0', 11, '100', 'x', '', ' ', 'N/A', true, []],
    ],
    ['less_than_equal', 10, ['10.0', 9], [10.5, 'a']],
    [
      'greater_than',
      10,
      [11, '100', ['1', '99']],
      [10, '9', '', '1e1', '0x10', 'x', 'N/A', 'Infinity', true, '5 5'],
    ],
    ['greater_than', 5, ['6'], ['5 5', '٥', '1e999', '-1e999', '0x10', '4']],
    ['greater_than_equal', 10, ['10.0', 11], [9, '9.99']],
    ['less_than', 'b', ['a', 'A', 'ab', '', '5', 5, ['z', 'a']], ['b', 'B', 'ba', 'é', [], true]],
    ['greater_than', 'Z', ['za', 'é', '😀', 'z '], ['z', 'Z', 'y', '']],
    ['greater_than', '\uff5e', ['😀', '\uff5ea'], ['\uff5e', '\ue000', 'z']],
    ['equals', '01234', ['01234'], ['1234', 1234, ' 01234']],
    ['in', ['01234', '1E5'], ['01234', '1e5'], [1234, '100000', 100000]],
    ['in', [1234, '1E5'], ['01234', 1234, '1E5'], ['100000', 100000]],
    ['not_equals', 18, ['N/A', '', '18 years', 17], [18, '18', ' 18.0 ', ['1', '18']]],
    ['less_than', '20', ['100', 100, '1e9', ''], [3, '9', 'N/A']],
    ['equals', true, [true, ' TRUE ', 'True', 'true\u00a0', ['x', 'TRUE']], ['yes', 1, '1', 't']],
    ['not_in', [true], [false, 'yes', 1, []], [true, ' True', '\tTRUE\n']],
    ['less_than', true, [false, ' FALSE'], [true, 'N/A', 0, 'a']],
    ['greater_than_equal', false, [false, true, 'TRUE'], ['N/A', 1, 'x']],
    ['equals', 'zürich', ['Zürich', 'ZÜRICH', 'Zu\u0308rich', ['a', 'ZÜRICH']], ['Zurich']],
    ['in', ['ΟΔΌΣ', 'straße'], ['οδός', 'ΟΔΌΣ', 'STRASSE', 'Straße'], ['οδος', 'strase']],
    ['contains', 'ÜR', ['Zürich', 'ZÜRICH', 'ZU\u0308RICH'], ['Zurich']],
    ['starts_with', 'ä', ['ÄRGER', 'A\u0308rger'], ['arger', 'xä']],
    ['ends_with', 'É', ['café', 'CAFE\u0301'], ['cafe', 'éa']],
    ['not_contains', 'ж', ['З', 'z'], ['Ж', 'Жук', 'уж']],
    ['contains', '.', ['0.5', 0.5], [5, 1e21]],
    ['contains', 5, [5, '15', 0.5], ['x']],
    ['ends_with', 'e', [true, 'E'], [1, 'é']],
    ['starts_with', 'abc', ['ABCd', 'abc'], ['ab', '']],
    ['ends_with', 'abc', ['xABC', 'abc'], ['c', 'bc', '']],
  ])('%s %j holds for what it should and nothing else', async (operator, value, yes, no) => {
    expect(await holdsFor(operator, value, [...yes, ...no])).toEqual(yes)
  })

  const beyond = ['9223372036854775807', '9223372036854775808', '9223372036854775809']
  const least = ['-9223372036854775807', '-9223372036854775808', '-9223372036854775809']
  const thirty = [0, 1, 2].map((aside) => String(10n ** 30n + BigInt(aside)))
  const fifteen = ['9007199254740991', '9007199254740992', '9007199254740993', '9007199254740994']

  it.each([
    ...fifteen,
    ...beyond,
    ...least,
    ...thirty,
    '-9007199254740993',
    '1000000000000000000000',
  ])('distinguishes the whole number %s from its neighbours', async (digits) => {
    const [own, below, above] = [0n, -1n, 1n].map((aside) => String(BigInt(digits) + aside))
    const values = [own, below, above].map(String)
    const spelled = [...values, ...values.map((text) => ` ${text.replace(/^(-?)/, '$100')}\n`)]
    const held = async (operator: string, value: unknown) =>
      (await holdsFor(operator, value, spelled)).map((one) => spelled.indexOf(String(one)))
    const number = BigInt(digits)
    expect(await held('equals', number)).toEqual([0, 3])
    expect(await held('not_equals', number)).toEqual([1, 2, 4, 5])
    expect(await held('in', [number, number + 5n, 'x'])).toEqual([0, 3])
    expect(await held('less_than', number)).toEqual([1, 4])
    expect(await held('less_than_equal', number)).toEqual([0, 1, 3, 4])
    expect(await held('greater_than', number)).toEqual([2, 5])
    expect(await held('greater_than_equal', number)).toEqual([0, 2, 3, 5])
  })

  it.each<[text: string, same: string[], earlier: string[], later: string[], none: string[]]>([
    [
      '2026-11-01',
      ['2026-11-01T00:00Z', '2026-11-01T01:00:00+01:00', '2026-10-31 23:00-0100', ' 2026-11-01 '],
      ['2026-10-31', '2026-10-31T23:59:59.999', '2026-11-01T00:00+00:01', '0001-01-01'],
      ['2026-11-02', '2026-11-01T00:00:00.001Z', '2026-11-01T00:00-00:01', '9999-12-31'],
      ['', 'N/A', '2026', '2026-11', '2026-11-31', '20261101', '2026-11-1', '01.11.2026', '5'],
    ],
    [
      '2026-02-28T12:00:00,5+05:30',
      ['2026-02-28T06:30:00.5Z', '2026-02-28t06:30:00.500z', '2026-02-28 06:30:00.5'],
      ['2026-02-28', '2026-02-28T06:30:00.499Z'],
      ['2026-03-01', '2026-02-28T12:00', '2026-02-28T06:30:00.501+00'],
      ['2026-02-29', '2026-02-30', '2026-02-28T24:00', '2026-02-28T12:60', '2026-02-28T12:00 Z'],
    ],
  ])('compares %j as a moment', async (text, same, earlier, later, none) => {
    const all = [...same, ...earlier, ...later, ...none, text]
    expect(await holdsFor('equals', text, all)).toEqual([...same, text])
    expect(await holdsFor('in', ['x', text], all)).toEqual([...same, text])
    expect(await holdsFor('less_than', text, all)).toEqual(earlier)
    expect(await holdsFor('greater_than', text, all)).toEqual(later)
    expect(await holdsFor('less_than_equal', text, all)).toEqual([...same, ...earlier, text])
    expect(await holdsFor('greater_than_equal', text, all)).toEqual([...same, ...later, text])
    expect(await holdsFor('not_equals', text, all)).toEqual([...earlier, ...later, ...none])
    expect(await holdsFor('equals', text, [all])).toEqual([all])
  })

  it.each(['2026-02-30', '2026-02-28T24:00', '20261101', '2026-11-1', 'today'])(
    'takes %j for a text, as it is no moment',
    async (text) => {
      expect(await holdsFor('equals', text, [text, '2026-03-02', '2026-03-01'])).toEqual([text])
      expect(await holdsFor('less_than', text, ['', 'z', '1999-12-31'])).toEqual(['', '1999-12-31'])
    },
  )

  it.each<[result: number, operator: string, value: unknown, holds: boolean]>([
    [5, 'ends_with', '0', false],
    [5, 'equals', '5', true],
    [5, 'contains', '.', false],
    [0.1 + 0.2, 'equals', '0.3', true],
    [0.1 + 0.2, 'greater_than', 0.3, true],
    [0.1 + 0.2, 'equals', 0.3, false],
    [0.1 + 0.2, 'less_than_equal', 0.3, false],
    [0.1 + 0.2, 'in', [0.3, '0.4'], false],
    [0.1 + 0.2, 'equals', 0.1 + 0.2, true],
    [0.1 + 0.2, 'greater_than', 0.1 + 0.2, false],
    [0.1 + 0.2, 'matches', '0.3', true],
    [1e21, 'starts_with', '1e+', true],
    [1e21, 'equals', '1000000000000000000000', false],
    [1e21, 'equals', 1e21, true],
    [123456789012345680, 'starts_with', '1.23456789012346e+17', true],
    [-2.5, 'matches', '-?.5', true],
    [100, 'less_than', '20', true],
    [100, 'less_than', 20, false],
  ])('sees a sum of %d as its text: %s %j', async (result, operator, value, holds) => {
    const workspace = await populate({
      users: [{ id: 'ann', own: new Map() }],
      definitions: [
        {
          id: 'household',
          deleted: false,
          shares: [{ id: 'spent', type: 'sum' }],
          groups: [{ members: ['ann'], shared: [{ name: 'spent', function: 'sum', result }] }],
        },
      ],
      cohorts: [],
    })
    const question = await resolved(workspace, { operator, attribute: 'household:spent', value })
    expect((await belonging(workspace, question)).users).toEqual(holds ? ['ann'] : [])
  })
})
