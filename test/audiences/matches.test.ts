import { describe, expect, it } from 'vitest'
import { countUsers, listUsers } from '../../src/audiences/query.ts'
import { folded } from '../../src/text.ts'
import { watched } from '../support/plans.ts'
import { likeness } from './evaluate.ts'
import { resolved, belonging, db, peopled } from './populate.ts'

/** Whether the rule's value fits each of these texts, as the database says. */
async function fits(operator: string, value: string, texts: string[]): Promise<boolean[]> {
  const ids = texts.map((_, i) => `u${String(i).padStart(3, '0')}`)
  const workspace = await peopled(
    Object.fromEntries(texts.map((text, i) => [ids[i], { said: text }])),
  )
  const { users, count } = await belonging(
    workspace,
    await resolved(workspace, { operator, attribute: 'said', value }),
  )
  expect(count).toBe(users.length)
  return ids.map((id) => users.includes(id))
}

describe('matches', () => {
  it.each<[pattern: string, yes: string[], no: string[]]>([
    ['', [''], ['a', ' ']],
    ['*', ['', 'a', '😀', 'a\nb', '*'], []],
    ['**', ['', 'a'], []],
    ['?', ['a', '?', '*', '😀', 'é', 'e\u0301', '\n'], ['', 'ab', '👨‍👩‍👧']],
    ['??', ['ab', '😀😀', 'ß'], ['a', 'abc', '😀', 'e\u0301']],
    ['?*', ['a', 'ab'], ['']],
    ['*?', ['a', 'ab'], ['']],
    ['?*?', ['ab', 'abc', '😀a'], ['', 'a', '😀']],
    ['*?*', ['a', 'abc'], ['']],
    ['*?*?*', ['ab', 'abc'], ['', 'a']],
    ['***?***?***', ['ab', 'abc'], ['', 'a']],
    ['ab', ['ab', 'AB', 'aB'], ['abc', 'xab', 'a', '']],
    ['AB', ['ab', 'AB'], ['abc']],
    ['a*', ['a', 'A', 'abc', 'a*'], ['', 'ba']],
    ['*a', ['a', 'ba', 'BA'], ['', 'ab']],
    ['a*a', ['aa', 'aba', 'aaa'], ['a', 'ab', 'ba']],
    ['ab*ba', ['abba', 'abxba'], ['aba', 'ab', 'ba']],
    ['*ab*', ['ab', 'xaby', 'aab'], ['a b', 'ba']],
    ['a*b*c', ['abc', 'axbxc', 'abcbc', 'acbc'], ['acb', 'ac', 'cba', 'abcd']],
    ['*ab*ab*', ['abab', 'xabyabz'], ['ab', 'aab', 'aba', 'abba', 'xxab', 'xxxxab']],
    ['a*aa*a', ['aaaa', 'abaaba'], ['aaa', 'aba']],
    ['*aab', ['aaab', 'aabaab'], ['aaba', 'ab']],
    ['*a?b*', ['axb', 'aab', 'aaab', 'xxa\nbxx', 'a😀b'], ['ab', 'axxb', 'b?a']],
    ['*a?b*c', ['axbc', 'aabacbxc', 'abaxbc'], ['axb', 'abc', 'axbcx']],
    ['*?b*?b*', ['abab', 'bbb b', 'xbbxb'], ['ab', 'bb', 'bab']],
    ['a?*?b', ['axyb', 'axxyyb'], ['ab', 'axb']],
    ['?a*b?', ['xaby', 'aabb'], ['ab', 'xab', 'aby']],
    ['*a*?', ['ab', 'aa', 'xay'], ['a', 'xa']],
    ['a*?b', ['axb', 'abb', 'axbb'], ['ab']],
    ['*?a?*?a?*', ['xaxxax', 'aaaaaa', 'xayxayz'], ['aaaaa', 'axxa', 'xaxax']],
    ['%', ['%'], ['', 'a', '%%']],
    ['a_c', ['a_c', 'A_C'], ['abc']],
    ['[ab]', ['[ab]', '[AB]'], ['a', 'b']],
    ['[*]', ['[]', '[x]'], ['*', 'x']],
    ['a\\*', ['a\\', 'a\\b'], ['a*', 'a']],
    ['a\\?', ['a\\b', 'a\\?'], ['a?', 'a\\']],
    ['^a.c$', ['^a.c$'], ['abc', 'a.c']],
    ['o\'*"?', ['o\'"x', 'o\'brien"😀'], ['o\'"', 'o"x']],
    ['*😀?😀*', ['😀😀😀', 'x😀é😀'], ['😀😀', '😀xx😀']],
    ['é*', ['é', 'éx', 'É', 'e\u0301'], ['e']],
    ['\u212a*', ['\u212a', 'k', 'K'], ['x']],
    ['É*', ['É', 'é', 'e\u0301'], ['E']],
    ['i*', ['I', 'i', 'İ'], ['ı']],
    ['a\0*', [], ['a', 'ab', 'a\ufffd', '']],
    ['*\0', [], ['a', '']],
    ['\0', [], ['']],
    ['*\0*b', [], ['ab', 'b']],
    ['a?\0*', [], ['ab', 'abc']],
    ['\ud800?', ['\ufffdx'], ['x', '\ufffd']],
  ])('%j fits what it should and nothing else', async (pattern, yes, no) => {
    const texts = [...yes, ...no]
    const expected = texts.map((text) => yes.includes(text))
    expect(texts.map((text) => likeness(folded(text), folded(pattern.toWellFormed())))).toEqual(
      expected,
    )
    expect(await fits('matches', pattern, texts)).toEqual(expected)
  })

  const a = 'a'.repeat(4096)
  it.each<[title: string, pattern: string, yes: string[], no: string[]]>([
    ['stars and a last letter', '*a*a*a*b', [`${a.slice(1)}b`, 'aaab'], [a, 'aab']],
    ['2,048 stars', 'a*'.repeat(2047) + 'b', [`${a.slice(1)}b`], [a, `${'a'.repeat(2046)}b`]],
    [
      'stars between question marks',
      '*a?'.repeat(1365) + 'b',
      [`${'ax'.repeat(1365)}b`, `${'axx'.repeat(1365)}b`.replace('axxb', 'axb')],
      [a],
    ],
    ['nothing but stars', '*'.repeat(4096), [a, ''], []],
    ['nothing but question marks', '?'.repeat(4096), [a, '😀'.repeat(4096)], [a.slice(1), '']],
    ['question marks after a star', `*${'?'.repeat(4095)}`, [a, a.slice(1)], [a.slice(2)]],
    ['turns of stars and question marks', '*?'.repeat(2048), [a, a.slice(2048)], [a.slice(2049)]],
    ['itself', a, [a, 'A'.repeat(4096)], [a.slice(1), `${a.slice(1)}b`]],
    [
      'emoji',
      `*${'😀'.repeat(4094)}*`,
      ['😀'.repeat(4096), `a${'😀'.repeat(4094)}b`],
      ['😀'.repeat(4093), a],
    ],
    [
      'a long piece with a question mark, nearly found everywhere',
      `*${'a'.repeat(2046)}?b*`,
      [`${a.slice(1)}b`],
      [a],
    ],
    [
      'long pieces one after the other',
      `*${'a'.repeat(1364)}b*${'a'.repeat(1364)}?*${'a'.repeat(1360)}*`,
      [`${'a'.repeat(1364)}b${'a'.repeat(2731)}`],
      [a],
    ],
    [
      'a thousand question marks between two stars',
      `*${'a?'.repeat(1000)}b*`,
      [`${'a'.repeat(2000)}b`],
      [a],
    ],
  ])('answers in time at 4,096 characters: %s', async (_, value, yes, no) => {
    expect([...value].length).toBeLessThanOrEqual(4096)
    const texts = [...yes, ...no]
    const workspace = await peopled(Object.fromEntries(texts.map((said, i) => [`u${i}`, { said }])))
    const question = await resolved(workspace, { operator: 'matches', attribute: 'said', value })
    const began = performance.now()
    const { users } = await listUsers(db, workspace, question, { after: '', size: 100 })
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(users).toEqual(yes.map((_, i) => `u${i}`))
  })

  it('answers within a second where a thousand ways do not match', async () => {
    const workspace = await peopled({ u: { said: a } })
    const question = await resolved(workspace, {
      operator: 'matches',
      attribute: 'said',
      value: '*a*a*a*b',
    })
    const began = performance.now()
    expect(await countUsers(db, workspace, question)).toBe(0)
    expect(performance.now() - began).toBeLessThan(1000)
  })
})

/** Values of so many characters on which a pattern is tried for long. */
const hostile = (pattern: string, characters: number) =>
  (pattern.includes('b?') ? 'ab' : 'a').repeat(characters).slice(0, characters - 1) + 'z'

describe('a pattern, whichever it is,', () => {
  const lengths = [1000, 2000, 4000]
  const each = 10

  it.each<[title: string, pattern: string, rowsPerCharacter: number]>([
    ['a question mark between stars', '*a?b*', 1],
    ['two of them', '*?a*?b*', 1],
    ['the longest that GLOB takes', `*${'a?'.repeat(23)}b*`, 1],
    ['a hundred stars', `${'*a'.repeat(100)}b*z`, 1],
    ['turns of question marks and stars', '?*'.repeat(2048), 1],
    ['stars between letters, 4,096 characters', `${'a*'.repeat(2047)}bz`, 4],
    ['question marks between stars, 4,096 characters', `${'*a?'.repeat(1364)}*bz`, 4],
    ['pieces with question marks', `${'*a?a'.repeat(24)}b*z`, 4],
    ['a piece that is nearly found everywhere', `*${'a'.repeat(90)}?b*z`, 1],
    ['letters that are found nowhere', `*${'a'.repeat(900)}b*z`, 1],
    [
      'parts that are found everywhere, never together',
      `*${'a?'.repeat(96)}${'?a'.repeat(96)}b?*`,
      30,
    ],
  ])('reads rows in proportion to the value: %s', async (_, value, most) => {
    const rows: number[] = []
    for (const length of lengths) {
      const said = hostile(value, length)
      const people = Array.from({ length: each }, (_, i) => [`u${i}`, { said }])
      const workspace = await peopled(Object.fromEntries(people))
      const question = await resolved(workspace, { operator: 'matches', attribute: 'said', value })
      const { db, meter } = watched()
      await countUsers(db, workspace, question)
      rows.push(meter.rowsRead / each)
      expect(meter.rowsRead / each).toBeLessThan(30 + most * length)
    }
    const [short = 0, , long = 0] = rows
    expect(long).toBeLessThan(4.5 * short + most * 1000)
  })
})

describe('contains, starts_with and ends_with', () => {
  const a = 'a'.repeat(4096)
  const hostile = `${'%_\\[*?]\'";--'.repeat(300)}é😀`

  it.each<[value: string, yes: string[], no: string[]]>([
    [a, [a, 'A'.repeat(4096)], [a.slice(1), `${a.slice(1)}b`, '']],
    [`${a.slice(1)}b`, [`${a.slice(1)}b`], [a]],
    [hostile, [hostile, `x${hostile}`], [hostile.replace('%', '_'), hostile.replace('?', 'x')]],
    ['', ['', 'a'], []],
    ['a\0', [], ['a', 'ab']],
    ['😀', ['😀', 'x😀x'], ['\ufffd', '😁']],
    ['\u0301', ['\u0301x\u0301', '5\u0301'], ['é', 'e\u0301']],
  ])('take %.40j as it is', async (value, yes, no) => {
    const expected = [...yes.map(() => true), ...no.map(() => false)]
    const texts = [...yes, ...no]
    expect(await fits('contains', value, texts)).toEqual(expected)
    expect(await fits('not_contains', value, texts)).toEqual(expected.map((one) => !one))
    const small = folded(value)
    expect(await fits('starts_with', value, texts)).toEqual(
      texts.map((text) => folded(text).startsWith(small)),
    )
    expect(await fits('ends_with', value, texts)).toEqual(
      texts.map((text) => folded(text).endsWith(small)),
    )
  })
})
