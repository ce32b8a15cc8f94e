import { describe, expect, it } from 'vitest'
import type { Value } from '../../src/identity/attributes.ts'
import { asked, belonging, peopled, populate } from './populate.ts'

/** Which of these values a condition holds for. */
async function holdsFor(operator: string, value: unknown, values: Value[]): Promise<Value[]> {
  const ids = values.map((_, i) => `u${String(i).padStart(3, '0')}`)
  const workspace = await peopled(
    Object.fromEntries(values.map((one, i) => [ids[i], { said: one }])),
  )
  const { users } = await belonging(
    workspace,
    await asked(workspace, { operator, attribute: 'said', value }),
  )
  return values.filter((_, i) => users.includes(ids[i] ?? ''))
}

describe('a comparison', () => {
  it.each<[operator: string, value: unknown, yes: Value[], no: Value[]]>([
    [
      'equals',
      5,
      [5, '5', ' 5 ', '+5', '5.', '05', '5.0', '\t5\n', '0.5e1', ['x', '5.0']],
      [true, '٥', '5\u00a0', '0x5', '5 5', ['x'], [], ''],
    ],
    ['equals', '5', [5, '5.0', ' 5'], ['five', '']],
    ['equals', ' x', [' x', ' X'], ['x']],
    ['equals', 'É', ['É'], ['é']],
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
      ['9007199254740993', '9007199254740992', 9007199254740992],
      ['9007199254740994'],
    ],
    ['equals', 1e21, ['1e+21', '1000000000000000000000', 1e21], ['1e20']],
    ['equals', '["a"]', ['["a"]', '["A"]'], [['a']]],
    ['not_equals', 'a', ['b', 5, [], ['b']], ['a', 'A', ['b', 'a']]],
    ['in', ['a', 5, true], ['A', '5.0', 'True', ['x', 'A']], ['b', 4, false, []]],
    ['not_in', ['a', 5, true], ['b', 4, false, []], ['A', '5.0', 'True', ['x', 'A']]],
    [
      'less_than',
      10,
      [9, '9', '-1', ' 9.5 ', '', ['99', '9'], '1'],
      [10, '10.0', 11, '100', 'x', true, []],
    ],
    ['less_than_equal', 10, ['10.0', 9], [10.5, 'a']],
    [
      'greater_than',
      10,
      [11, '100', 'x', 'Infinity', true, '5 5', ['1', '99']],
      [10, '9', '', '1e1', '0x10'],
    ],
    ['greater_than', 5, ['5 5', '٥', '6'], ['1e999', '-1e999', '0x10', '4']],
    ['greater_than_equal', 10, ['10.0', 11], [9, '9.99']],
    ['less_than', 'b', ['a', 'A', 'ab', '', '5', 5, ['z', 'a']], ['b', 'B', 'ba', 'é', [], true]],
    ['greater_than', 'Z', ['za', 'é', '😀', 'z '], ['z', 'Z', 'y', '']],
    ['greater_than', '\uff5e', ['😀', '\uff5ea'], ['\uff5e', '\ue000', 'z']],
    ['contains', '.', ['0.5', 0.5], [5, 1e21]],
    ['contains', 5, [5, '15', 0.5], ['x']],
    ['ends_with', 'e', [true, 'E'], [1, 'é']],
    ['starts_with', 'abc', ['ABCd', 'abc'], ['ab', '']],
    ['ends_with', 'abc', ['xABC', 'abc'], ['c', 'bc', '']],
  ])('%s %j holds for what it should and nothing else', async (operator, value, yes, no) => {
    expect(await holdsFor(operator, value, [...yes, ...no])).toEqual(yes)
  })

  it.each<[result: number, operator: string, value: unknown, holds: boolean]>([
    [5, 'ends_with', '0', false],
    [5, 'equals', '5', true],
    [5, 'contains', '.', false],
    [0.1 + 0.2, 'equals', '0.3', true],
    [0.1 + 0.2, 'greater_than', 0.3, true],
    [0.1 + 0.2, 'matches', '0.3', true],
    [1e21, 'starts_with', '1e+', true],
    [1e21, 'equals', '1000000000000000000000', true],
    [123456789012345680, 'starts_with', '1.23456789012346e+17', true],
    [-2.5, 'matches', '-?.5', true],
    [100, 'less_than', '20', false],
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
    const question = await asked(workspace, { operator, attribute: 'household:spent', value })
    expect((await belonging(workspace, question)).users).toEqual(holds ? ['ann'] : [])
  })
})
