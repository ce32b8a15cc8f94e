import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonical, folded, isUuid, lengthOf, problemOfName, readId, trimmed } from '../src/text.ts'

describe('an id', () => {
  it.each([
    ['as it is', 'ann', 'ann'],
    ['blanks at its ends', ' \tann\u00a0\u3000', 'ann'],
    ['a byte order mark', '\ufeffann\ufeff', 'ann'],
    ['zero-width signs', '\u200bann\u200d\u2060', 'ann'],
    ['a soft hyphen', '\u00adann\u00ad', 'ann'],
    ['directional marks', '\u202aann\u202c\u200e\u2069', 'ann'],
    ['invisible signs beyond the first plane', '\u{e0001}ann\u{e007f}', 'ann'],
    ['what stands within', 'a\u200bnn b', 'a\u200bnn b'],
    ['a letter and its accent', 'jose\u0301', 'jos\u00e9'],
    ['an emoji', ' \u{1f600} ', '\u{1f600}'],
  ])('is read without what nobody sees: %s', (_, text, id) => {
    expect(readId(text, 32)).toEqual({ id })
    expect(canonical(text)).toBe(id)
  })

  it.each([
    ['nothing', '', 'empty'],
    ['blanks', ' \u00a0\t', 'empty'],
    ['zero-width signs alone', '\u200b\u2060\ufeff\u00ad', 'empty'],
    ['a Hangul filler', '\u3164', 'format'],
    ['a variation selector and a Braille blank', '\ufe0f\u2800', 'format'],
    ['a control character', 'a\u0007b', 'format'],
    ['a C1 control character', 'a\u0085b', 'format'],
    ['a line feed', 'a\nb', 'format'],
    ['a lone surrogate', 'a\ud800', 'format'],
    ['a dot', '.', 'format'],
    ['two dots and blanks', ' .. ', 'format'],
    ['too many characters', 'x'.repeat(33), 'too-long'],
    ['too many emoji', '\u{1f600}'.repeat(33), 'too-long'],
  ])('is refused: %s', (_, text, problem) => {
    expect(readId(text, 32)).toEqual({ problem })
  })

  it.each(['...', '.a', 'a.', '__proto__', '\u{1f600}'.repeat(32), 'x'.repeat(32)])(
    'may be %s',
    (text) => {
      expect(readId(text, 32)).toEqual({ id: text })
    },
  )

  it('is read once: what was read is read as itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 12 }), (text) => {
        const read = readId(text, 12)
        if ('id' in read) expect(readId(read.id, 12)).toEqual(read)
      }),
    )
  })

  it('takes no longer for many blanks within', () => {
    const text = `a${' '.repeat(1_000_000)}b`
    expect(trimmed(text)).toBe(text)
  })
})

describe('a name', () => {
  const familiar = [
    ...['owls', 'Zürich – Büro', 'グループ', 'مجموعة', '👩‍👩‍👧 families', '🏴󠁧󠁢󠁷󠁬󠁳󠁿', 'v1.2-β (new)'],
  ]
  it.each(familiar)('may be %s', (name) => {
    expect(problemOfName(name)).toBeUndefined()
  })

  it('has nothing invisible within, wherever it stands', () => {
    const unseen = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 1 })
      .filter((character) => /[\p{Cf}\p{Zl}\p{Zp}]/u.test(character))
    const known = fc.constantFrom(...'\u00ad\u061c\u200b\u200c\u200d\u200f\u2028\u202e\u2066\ufeff')
    const part = fc.constantFrom('a', 'owls', 'é', '👩', ' 1 ')
    fc.assert(
      fc.property(part, fc.oneof(known, unseen), part, (before, character, after) => {
        fc.pre(!/👩$/.test(before) || !/^👩/.test(after))
        expect(problemOfName(`${before}${character}${after}`)).toBe(
          'cannot have invisible characters within',
        )
      }),
    )
  })

  it('is no UUID, whatever its case', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.boolean(), (id, capitals) => {
        const name = capitals ? id.toUpperCase() : id
        expect(isUuid(name)).toBe(true)
        expect(problemOfName(name)).toBe('cannot have the form of a UUID')
        expect(problemOfName(name.slice(1))).toBeUndefined()
      }),
    )
  })
})

describe('a text without regard to case', () => {
  it.each([
    ['Z\u00fcrich', 'Z\u00dcRICH'],
    ['stra\u00dfe', 'STRASSE'],
    ['\u1e9e', '\u00df'],
    ['\u039f\u0394\u039f\u03a3', '\u03bf\u03b4\u03bf\u03c2'],
    ['\u00e9', 'E\u0301'],
    ['\u041c\u043e\u0441\u043a\u0432\u0430', '\u041c\u041e\u0421\u041a\u0412\u0410'],
    ['K', '\u212a'],
  ])('%s is %s', (a, b) => {
    expect(folded(a)).toBe(folded(b))
  })

  it.each([
    ['i', '\u0131'],
    ['u', '\u00fc'],
    ['a', 'b'],
  ])('%s is not %s', (a, b) => {
    expect(folded(a)).not.toBe(folded(b))
  })

  it('is of ASCII what SQLite makes of it', () => {
    expect(folded('ABC xyz 1E5')).toBe('abc xyz 1e5')
  })
})

it('characters are counted as code points', () => {
  expect(['ann', '\u{1f600}', 'jos\u00e9'].map(lengthOf)).toEqual([3, 1, 4])
})
