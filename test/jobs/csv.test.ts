import fc from 'fast-check'
import Papa from 'papaparse'
import { describe, expect, it } from 'vitest'
import { fieldsOf, readRows, type Place } from '../../src/jobs/csv.ts'
import { runAtOnce } from '../../src/jobs/interruptible.ts'
import { runs } from '../support/property.ts'

type Found = [line: number, fields: string[] | undefined]

interface How {
  separator?: string
  named?: boolean
  most?: number
}

/** Reads a file as a job does, slice by slice. */
function readSliced(
  bytes: Uint8Array,
  sliceBytes: number,
  { separator = ',', named = false, most = Infinity }: How = {},
): Found[] {
  const text = latin1(bytes)
  const found: Found[] = []
  let place: Place = 'start'
  let line = 0
  for (let offset = 0, slices = 0; offset < text.length; slices++) {
    expect(slices).toBeLessThan(10 * text.length)
    const last = offset + sliceBytes >= text.length
    const slice = text.slice(offset, offset + sliceBytes)
    const start = { place, line, last, separator, namesSeparator: named, rowsMax: most }
    const rows = readRows(slice, start, (row) => {
      found.push([row.line, row.fields])
      const text = slice.slice(row.from, row.to)
      expect(text).not.toMatch(/^[\r\n]|[^"][\r\n]$/)
      if (row.fields !== undefined) expect(fieldsOf(text, separator)).toEqual(row.fields)
    })
    const reading = runAtOnce(rows)
    expect(reading.length).toBeGreaterThan(0)
    offset += reading.length
    line += reading.lines
    place = reading.place
  }
  return found
}

const latin1 = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')
const utf8 = (text: string) => new TextEncoder().encode(text)
const read = (text: string, sliceBytes = 1 << 20, how: How = {}) =>
  readSliced(utf8(text), sliceBytes, how)

const signs = ['a', 'Z', '7', '-', 'é', '漢', '🎉']
const separators = [',', ';', '\t', '|'] as const

/** A record as bytes, and whether it is a blank line. */
interface Raw {
  bytes: Uint8Array
  blank: boolean
}

const notUtf8 = fc
  .constantFrom([0xff, 0x61], [0xc3], [0xe6, 0xbc], [0xf0, 0x9f, 0x8e])
  .map((bytes) => Uint8Array.from(bytes))

function recordWith(separator: string): fc.Arbitrary<Raw> {
  const others = separators.filter((other) => other !== separator)
  const bare = fc.string({ unit: fc.constantFrom(...signs, ...others), maxLength: 12 })
  const quoted = fc
    .string({
      unit: fc.constantFrom(...signs, ' ', ...separators, '""', '\n', '\r\n', '\r'),
      maxLength: 12,
    })
    .map((inside) => `"${inside}"`)
  const fields = fc.array(fc.oneof(bare, bare, quoted), { minLength: 1, maxLength: 3 })
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fields
        .map((fields) => fields.join(separator))
        .map((text) => ({ bytes: utf8(text), blank: text.trim() === '' && text !== separator })),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', '  ').map((text) => ({ bytes: utf8(text), blank: true })),
    },
    { weight: 1, arbitrary: notUtf8.map((bytes) => ({ bytes, blank: false })) },
  )
}

const file = fc.constantFrom(...separators).chain((separator) =>
  fc.record({
    separator: fc.constant(separator),
    byteOrderMark: fc.boolean(),
    named: fc.boolean(),
    records: fc.array(fc.tuple(recordWith(separator), fc.constantFrom('\n', '\r\n', '\r')), {
      maxLength: 12,
    }),
    finalNewline: fc.boolean(),
  }),
)

const lineEnds = /\r\n|\r|\n/g

/** What another parser makes of each record: papaparse, whose fields are read as UTF-8 after. */
function oracle(pieces: { before: Uint8Array; raw: Raw }[], separator: string): Found[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decode = (fields: string[]) => {
    try {
      return fields.map((field) =>
        decoder.decode(Uint8Array.from(field, (char) => char.charCodeAt(0))),
      )
    } catch {
      return undefined
    }
  }
  return pieces.flatMap(({ before, raw }): Found[] => {
    const text = latin1(raw.bytes)
    const [fields = []] = Papa.parse<string[]>(text, { delimiter: separator, newline: '\n' }).data
    if (isBlank(text, fields)) return []
    return [[1 + (latin1(before).match(lineEnds)?.length ?? 0), decode(fields)]]
  })
}

/** A line of blanks and separators alone, or of several empty fields in quotes. */
const isBlank = (text: string, fields: string[]) =>
  fields.every((field) => field.trim() === '') && (fields.length > 1 || !text.includes('"'))

describe('reading a CSV file in slices', () => {
  it('finds what a whole-file parser finds, wherever the slices end', () => {
    fc.assert(
      fc.property(file, fc.nat(60), fc.constantFrom(Infinity, 1, 2), (made, more, most) => {
        const { separator, byteOrderMark, named, records, finalNewline } = made
        const mark = byteOrderMark ? [0xef, 0xbb, 0xbf] : []
        let bytes = Uint8Array.from([...mark, ...utf8(named ? `sep=${separator}\r\n` : '')])
        const pieces: { before: Uint8Array; raw: Raw }[] = []
        for (const [i, [raw, newline]] of records.entries()) {
          pieces.push({ before: bytes, raw })
          const end = i === records.length - 1 && !finalNewline ? '' : newline
          bytes = Uint8Array.from([...bytes, ...raw.bytes, ...utf8(end)])
        }
        const longest = Math.max(7, ...records.map(([raw]) => raw.bytes.length)) + 6
        expect(readSliced(bytes, longest + more, { separator, named, most })).toEqual(
          oracle(pieces, separator),
        )
      }),
      runs(300),
    )
  })

  it('reads a record that it has read again as it was, of any text', () => {
    const text = fc.string({ unit: fc.constantFrom(...'aé🎉 ",;\t|\r\n"\n', '""'), maxLength: 80 })
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 8, max: 90 }),
        fc.constantFrom(...separators),
        (all, size, separator) => {
          readSliced(utf8(all), size, { separator })
        },
      ),
      runs(500),
    )
  })

  it('gives up only the line of an unclosed quote, wherever slices end', () => {
    const bare = fc.string({ unit: fc.constantFrom(...signs, ' '), minLength: 1, maxLength: 12 })
    const newline = fc.constantFrom('\n', '\r\n', '\r')
    const record = fc.tuple(bare, newline)
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 6 }),
        fc.array(record, { maxLength: 6 }),
        newline,
        fc.nat(80),
        fc.constantFrom(Infinity, 1, 2),
        (before, after, end, more, most) => {
          const open = ['"open', end] as const
          const all = [...before, open, ...after]
          const found = all.flatMap((one, i): Found[] => {
            const line = i + 1
            if (one === open) return [[line, undefined]]
            return one[0].trim() === '' ? [] : [[line, [one[0]]]]
          })
          const text = all.map(([record, end]) => record + end).join('')
          const longest = Math.max(...all.map(([record]) => utf8(record).length)) + 6
          expect(read(text, longest + more, { most })).toEqual(found)
        },
      ),
      runs(300),
    )
  })

  it.each([
    [
      'a final line without a line feed',
      'a\nb',
      [
        [1, ['a']],
        [2, ['b']],
      ],
    ],
    [
      'CRLF',
      'a\r\nb\r\n',
      [
        [1, ['a']],
        [2, ['b']],
      ],
    ],
    [
      'blank lines',
      '\na\n\n  \nb\n',
      [
        [2, ['a']],
        [5, ['b']],
      ],
    ],
    ['a byte order mark', '\ufeffa\n', [[1, ['a']]]],
    ['a byte order mark before a quote', '\ufeff"a"\n', [[1, ['a']]]],
    ['nothing but a byte order mark', '\ufeff', []],
    ['an empty quoted field, which is no blank line', '""\n', [[1, ['']]]],
    ['escaped quotes', '"a""b"\n', [[1, ['a"b']]]],
    ['a quoted field at the end', '"a"', [[1, ['a']]]],
    ['a quoted field and a lone return at the end', '"a"\r', [[1, ['a']]]],
    ['a lone return at the end', 'a\r', [[1, ['a']]]],
    [
      'a quoted line feed, which is one record of two lines',
      '"a\nb"\nc\n',
      [
        [1, ['a\nb']],
        [3, ['c']],
      ],
    ],
    [
      'several columns',
      'a,b\n"c,d",e\n',
      [
        [1, ['a', 'b']],
        [2, ['c,d', 'e']],
      ],
    ],
    ['a trailing comma', 'a,\n', [[1, ['a', '']]]],
    [
      'a quote inside an unquoted field',
      'a"b\nc\n',
      [
        [1, undefined],
        [2, ['c']],
      ],
    ],
    [
      'text after a closing quote',
      '"a"b\nc\n',
      [
        [1, undefined],
        [2, ['c']],
      ],
    ],
    [
      'a lone return, which ends a line',
      'a\rb\nc',
      [
        [1, ['a']],
        [2, ['b']],
        [3, ['c']],
      ],
    ],
  ] satisfies [string, string, Found[]][])('reads %s', (_, text, found) => {
    expect(read(text)).toEqual(found)
    for (let size = 8; size < 20; size++) expect(read(text, size)).toEqual(found)
  })

  it('gives up only one line for a quote that is never closed', () => {
    const found: Found[] = [
      [1, ['a']],
      [2, undefined],
      [3, ['c']],
      [4, ['d']],
    ]
    expect(read('a\n"b\nc\nd\n')).toEqual(found)
    for (let size = 5; size < 12; size++) expect(read('a\n"b\nc\nd\n', size)).toEqual(found)
  })

  it('refuses a record longer than a slice once, and finds the next', () => {
    expect(read(`a\n${'x'.repeat(100)}\nb\n`, 10)).toEqual([
      [1, ['a']],
      [2, undefined],
      [3, ['b']],
    ])
    expect(read(`${'x'.repeat(95)}abc`, 10)).toEqual([[1, undefined]])
  })

  it.each(['x', '"x"'])('refuses a record of more fields than spreadsheets have: %s', (field) => {
    const of = (count: number) => `${Array<string>(count).fill(field).join()}\nann\n`
    expect(read(of(16_384)).map(([, fields]) => fields?.length)).toEqual([16_384, 1])
    expect(read(of(16_385)).map(([, fields]) => fields?.length)).toEqual([undefined, 1])
  })

  it('takes time in proportion to its rows, also where they are quoted', () => {
    const rows = '"ann","x"\n'.repeat(100_000)
    const start = performance.now()
    expect(read(rows, rows.length)).toHaveLength(100_000)
    expect(performance.now() - start).toBeLessThan(8000)
  })

  it('takes time in proportion to the lines within quotes', () => {
    const rows = `"${'\n'.repeat(2 ** 20)}"\nann\n`
    const start = performance.now()
    expect(read(rows, rows.length).at(-1)).toEqual([2 ** 20 + 2, ['ann']])
    expect(performance.now() - start).toBeLessThan(4000)
  })
})
