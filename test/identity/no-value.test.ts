import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { collapsedSql, groupValue } from '../../src/identity/matching.ts'
import {
  defaultNoValues,
  isNoValue,
  isNoValueSql,
  noValues,
  type NoValues,
} from '../../src/identity/no-value.ts'
import { canonical, folded, foldedBeyondAscii } from '../../src/text.ts'
import { homeDb } from '../support/databases.ts'
import { statementOf } from '../support/plans.ts'
import { runs } from '../support/property.ts'

describe('a value', () => {
  it.each([
    ...['N/A', 'n/a', 'NA', 'n.a.', 'N.A', '#N/A', 'null', 'NULL', 'Null', '(null)', '"null"'],
    ...['<null>', 'None', 'NONE', 'none.', '<none>', '- none -', 'undefined', '[undefined]'],
    ...['unknown', 'Unknown', 'UNKNOWN!', '"Unknown"', '?unknown?', 'NaN', '<NA>', 'nan', 'nil'],
    ...['[object Object]', '[OBJECT OBJECT]', 'undefined, undefined', 'null null', '{null}'],
    ...['not available', 'Not Applicable', 'NOT PROVIDED', 'not set', 'No Address', 'tbd', 'TBD?'],
    ...['-', '--', '—', '–', '?', '???', '.', '...', '…', '/', '*', '#', '_', '""', "''", '“”'],
    ...['{}', '[]', '()', '( )', '¿?', '－', '。', '\\', '\\N', '#REF!', '#VALUE!', '#NAME?'],
    ...['', ' ', '\t\n', '\u00a0\u3000', '\u200b', '\ufeff', '\u3164', '\u2800', ' - \u200b'],
    ...['(blank)', 'k. A.'.replace(' ', ''), 'UNBEKANNT', 'Keine Angabe', 'inconnu', 'Desconocido'],
    ...['НЕИЗВЕСТНО', 'Неизвестно', 'неизвестно', 'Non Renseigné'.toLowerCase(), 'NON RENSEIGNÉ'],
    ...['不明', '（なし）', '없음', 'Ｎ／Ａ', 'ｎ／ａ', '  N/A  ', '«n/a»', '„unknown“', "'null'"],
  ])('is none: %j', (text) => {
    expect(isNoValue(text)).toBe(true)
  })

  it.each([
    ...['5 Oak Ave', '0', '-1', '00000', '1', 'true', 'false', 'Nancy', 'Nanterre', 'None Street'],
    ...[
      'Unknown Road',
      '1 N/A St',
      'Null Island Ave',
      'Anna',
      'NAB',
      'N',
      'nulls',
      'Test',
      'Blank',
    ],
    ...['Namibia', 'ref', 'value', 'name', 'Noneville', 'Nil Road', '🎉', '❤️', 'é', '李雷', '&c'],
    ...['Un known', 'n / a street', 'C++', 'https://x.y', 'a@b.c', 'Straße', 'No', 'Nadia', '€'],
  ])('is one: %j', (text) => {
    expect(isNoValue(text)).toBe(false)
  })

  it('of the list without digits is folded and has none', () => {
    for (const text of defaultNoValues) {
      expect(text).not.toMatch(/[0-9]/)
      expect(folded(text)).toBe(text)
    }
  })
})

describe("a definition's own list", () => {
  const own = (...list: string[]) => noValues(list, false)

  it.each<[string, string[], string, boolean]>([
    ['in any case', ['Head Office'], 'HEAD OFFICE', true],
    ['of every letter', ['Zürich'], 'ZÜRICH', true],
    ['in NFC', ['caf\u00e9'], 'CAFE\u0301', true],
    ['within blanks', ['x'], ' \u200bX\u00a0', true],
    ['within punctuation', ['head office'], '(Head Office.)', true],
    ['said within punctuation', ['(Head Office)'], 'head office', true],
    ['in place of the default', ['x'], 'N/A', false],
    ['that is empty', [], 'N/A', false],
    ['that is empty: signs', [], '-', false],
    ['that is empty: blanks', [], ' \u200b ', true],
    ['of signs', ['-'], '-', true],
    ['of signs, and others', ['-'], '--', false],
    ['of numbers', ['0', '-1'], '-1', true],
    ['of numbers, and others', ['0', '-1'], '1', false],
    ['of numbers, and others with a sign', ['1'], '-1', false],
    ['of blanks', [' '], 'x', false],
    ['as a whole', ['office'], 'Head Office', false],
    ['over two lines', ['a\nb'], 'A\nB', true],
    ['item by item', ['a', 'b'], 'a\nb', false],
    ['without a comma between', ['a', 'b'], ',', false],
  ])('is matched %s', (_, list, text, none) => {
    expect(isNoValue(text, own(...list))).toBe(none)
  })

  it('is normalized where the definition is', () => {
    const values = noValues(['Head  Office'], true)
    expect(isNoValue(groupValue('HEAD\u00a0 office', 'normalized'), values)).toBe(true)
    expect(isNoValue('HEAD\u00a0 office', own('Head  Office'))).toBe(false)
  })
})

/** Texts close to the list's, and of any characters. */
const signs = fc.constantFrom(...' \t\n\u00a0\u200b\u3164-–?.,"\'()<>[]{}#!/\\*_…“»。（9')
const word = fc.oneof(
  fc.constantFrom(...defaultNoValues, 'straße', 'ΟΔΟΣ', 'Zürich', 'ı', 'K', '#value!', '\\n', ''),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.string({ unit: 'binary', maxLength: 3 }),
)
const around = fc.array(signs, { maxLength: 3 }).map((all) => all.join(''))
const cased = fc.constantFrom(
  (text: string) => text,
  (text: string) => text.toUpperCase(),
  (text: string) => text.charAt(0).toUpperCase() + text.slice(1),
  (text: string) => text.normalize('NFD'),
)
const text = fc.tuple(around, word, around, cased).map(([before, word, after, as]) =>
  as(before + word + after)
    .replaceAll('\0', '')
    .toWellFormed(),
)

/** What SQLite says of each text as it is kept. */
async function judged(texts: string[], values: NoValues) {
  const kept = texts.map((text) => [canonical(text), foldedBeyondAscii(canonical(text))])
  const caseless = sql`coalesce(t.value ->> 1, lower(t.value ->> 0))`
  const { query, params } = statementOf(sql`
    SELECT ${isNoValueSql(sql`(t.value ->> 0)`, caseless, values)} AS none, ${collapsedSql(caseless)} AS normalized
    FROM json_each(${JSON.stringify(kept)}) AS t`)
  const { results } = await homeDb
    .prepare(query)
    .bind(...params)
    .all<{ none: number; normalized: string }>()
  return results
}

describe('SQLite', () => {
  it('takes the same values for none, and normalizes them alike', async () => {
    let none = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 20, maxLength: 60, size: 'max' }),
        fc.option(fc.array(text, { maxLength: 5 }), { freq: 2 }),
        fc.boolean(),
        async (texts, own, normalized) => {
          const all = own === null ? texts : [...texts, ...own]
          const values = noValues(own, normalized)
          const stored = normalized ? all.map((text) => groupValue(text, 'normalized')) : all
          const results = await judged(stored, values)
          for (const [i, text] of stored.entries()) {
            const said = isNoValue(text, values)
            if (said) none++
            expect({ text, own, none: results[i]?.none }).toEqual({ text, own, none: +said })
            expect(results[i]?.normalized).toBe(groupValue(text, 'normalized') || ' ')
          }
        },
      ),
      runs(200),
    )
    expect(none).toBeGreaterThan(600)
  })
})

describe('a normalized value', () => {
  it.each([
    ['5 Oak Ave', '5 OAK AVE'],
    ['5 Oak Ave', ' 5\t oak \u00a0\u3000 ave\u200b'],
    ['Zürich', 'ZU\u0308RICH'],
    ['Straße 1', 'STRASSE 1'],
    ['ΟΔΟΣ', 'οδος'],
    ['a b', `a${' '.repeat(4094)}b`],
  ])('%s is %s', (a, b) => {
    expect(groupValue(a, 'normalized')).toBe(groupValue(b, 'normalized'))
    expect(groupValue(a, null)).not.toBe(groupValue(b, null))
  })

  it('of many blanks is that of one, in SQLite too', async () => {
    for (const blanks of [1, 2, 3, 4093, 4094]) {
      const [row] = await judged([`a${' '.repeat(blanks)}b`], noValues(null, true))
      expect(row?.normalized).toBe('a b')
    }
  })
})
