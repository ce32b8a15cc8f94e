import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonNumber, parseJson, stringifyJson } from '../src/json.ts'

describe('a number in JSON', () => {
  it.each([
    ['0', 0],
    ['-0', -0],
    ['9007199254740991', 2 ** 53 - 1],
    ['-9007199254740991', 1 - 2 ** 53],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740993', 9007199254740993n],
    ['-9007199254740993', -9007199254740993n],
    ['18446744073709551616', 18446744073709551616n],
    [`1${'0'.repeat(308)}`, 10n ** 308n],
    [`1${'0'.repeat(309)}`, Infinity],
    ['1e400', Infinity],
    ['1E5', 100_000],
    ['1e21', 1e21],
    ['9007199254740993.0', 2 ** 53],
    ['0.1234567890123456789', 0.12345678901234568],
  ])('%s keeps the digits that a whole number has', (text, value) => {
    expect(parseJson(text)).toBe(value)
    expect(parseJson(`{"a":[${text}]}`)).toEqual({ a: [value] })
  })

  it('of over 400 characters is none, wherever it stands', () => {
    const digit = fc.constantFrom(...'0123456789')
    const many = fc.string({ unit: digit, minLength: 401, maxLength: 2000 })
    const long = many.chain((digits) =>
      fc.constantFrom(`1${digits}`, `-1${digits}`, `0.${digits}`, `1e${digits}`, `1E-${digits}`),
    )
    fc.assert(
      fc.property(long, (text) => {
        expect(parseJson(text)).toBe(NaN)
        expect(parseJson(`{"a":[${text},1],"b":"${text}"}`)).toEqual({ a: [NaN, 1], b: text })
      }),
    )
    expect(parseJson(`0.${'1'.repeat(398)}`)).toBe(0.1111111111111111)
  })

  it('is written with its digits', () => {
    expect(stringifyJson({ a: [9007199254740993n, 1, '9007199254740993', null] })).toBe(
      '{"a":[9007199254740993,1,"9007199254740993",null]}',
    )
    expect(JSON.stringify({ a: jsonNumber(-9007199254740993n) })).toBe('{"a":-9007199254740993}')
  })

  it('comes back as it went, whatever it stands in', () => {
    const value = fc.letrec((attach) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(
          fc.bigInt(),
          fc.string({ unit: 'binary' }),
          fc.boolean(),
          fc.constant(null),
          fc.double(),
        ),
        fc.array(attach('any'), { maxLength: 4 }),
        fc.dictionary(fc.constantFrom('a', '__proto__', 'constructor'), attach('any')),
      ),
    })).any
    fc.assert(
      fc.property(value, (given) => {
        const text = stringifyJson(given)
        expect(stringifyJson(parseJson(text))).toBe(text)
      }),
    )
  })
})

it('JSON may be ten thousand deep', () => {
  const deep = '['.repeat(10_000) + ']'.repeat(10_000)
  expect(JSON.stringify(parseJson(`{"a":1,"b":${deep}}`))).toHaveLength(20_012)
})

describe('what is no JSON', () => {
  it.each(['', ' ', '{', '{"a":1}x', "{'a':1}", 'undefined', 'NaN', '{"a":01}', '\ufeff{}'])(
    'is refused: %j',
    (text) => {
      expect(() => parseJson(text)).toThrow(SyntaxError)
    },
  )

  it('reaches no prototype', () => {
    const value = parseJson('{"__proto__":{"a":9007199254740993}}')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.keys(Object(value))).toEqual(['__proto__'])
  })
})
