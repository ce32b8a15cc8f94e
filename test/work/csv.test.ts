import fc from 'fast-check'
import Papa from 'papaparse'
import { describe, expect, it } from 'vitest'
import { readRows, type Place } from '../../src/work/csv.ts'

type Found = [line: number, fields: string[] | undefined]

/** Reads a file as a job does: slice after slice, each beginning where the one before it left off. */
function readSliced(bytes: Uint8Array, sliceBytes: number, most = Infinity): Found[] {
  const text = latin1(bytes)
  const found: Found[] = []
  let place: Place = 'start'
  let line = 0
  for (let offset = 0, slices = 0; offset < text.length; slices++) {
    expect(slices).toBeLessThan(10 * text.length)
    const last = offset + sliceBytes >= text.length
    const reading = readRows(
      text.slice(offset, offset + sliceBytes),
      { place, line, last, most },
      (row) => found.push([row.line, row.fields]),
    )
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
const read = (text: string, sliceBytes = 1 << 20) => readSliced(utf8(text), sliceBytes)

interface Raw {
  bytes: Uint8Array
  blank: boolean
}

const bare = fc.string({
  unit: fc.constantFrom('a', 'Z', '7', '-', 'é', '漢', '🎉'),
  maxLength: 12,
})
const quoted = fc
  .string({
    unit: fc.constantFrom('a', '9', ' ', ',', '""', '\n', '\r\n', 'é', '🎉'),
    maxLength: 12,
  })
  .map((inside) => `"${inside}"`)
const notUtf8 = fc
  .constantFrom([0xff, 0x61], [0xc3], [0xe6, 0xbc], [0xf0, 0x9f, 0x8e])
  .map((bytes) => Uint8Array.from(bytes))

const record: fc.Arbitrary<Raw> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(fc.oneof(bare, bare, quoted), { minLength: 1, maxLength: 3 })
      .map((fields) => fields.join(','))
      .map((text) => ({ bytes: utf8(text), blank: text.trim() === '' })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '  ').map((text) => ({ bytes: utf8(text), blank: true })),
  },
  { weight: 1, arbitrary: notUtf8.map((bytes) => ({ bytes, blank: false })) },
)

const file = fc.record({
  byteOrderMark: fc.boolean(),
  records: fc.array(fc.tuple(record, fc.constantFrom('\n', '\r\n')), { maxLength: 12 }),
  finalNewline: fc.boolean(),
})

/** What a whole-file parser makes of it: papaparse on one character per byte, each field read as UTF-8 after. */
function oracle(bytes: Uint8Array, records: Raw[]): Found[] {
  const rows = Papa.parse<string[]>(latin1(bytes), { delimiter: ',', newline: '\n' }).data
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
  const found: Found[] = []
  let line = 1
  records.forEach(({ bytes: raw, blank }, i) => {
    const fields = rows[i] ?? []
    const last = fields.length - 1
    // papaparse leaves the return of an unquoted last field in it.
    if (!blank)
      found.push([
        line,
        decode(
          fields.map((field, at) =>
            at === last && raw.at(-1) !== 0x22 ? field.replace(/\r$/, '') : field,
          ),
        ),
      ])
    line += 1 + latin1(raw).split('\n').length - 1
  })
  return found
}

describe('reading a CSV file in slices', () => {
  it('finds what a whole-file parser finds, wherever the slices end', () => {
    fc.assert(
      fc.property(
        file,
        fc.nat(60),
        fc.constantFrom(Infinity, 1, 2),
        ({ byteOrderMark, records, finalNewline }, more, most) => {
          const parts = records.flatMap(([{ bytes }, newline], i) => [
            bytes,
            utf8(i === records.length - 1 && !finalNewline ? '' : newline),
          ])
          const content = Uint8Array.from(parts.flatMap((part) => [...part]))
          const bytes = byteOrderMark ? Uint8Array.from([0xef, 0xbb, 0xbf, ...content]) : content
          const longest = Math.max(0, ...records.map(([raw]) => raw.bytes.length)) + 5
          expect(readSliced(bytes, longest + more, most)).toEqual(
            oracle(
              content,
              records.map(([raw]) => raw),
            ),
          )
        },
      ),
      { numRuns: 500 },
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
      'a lone return, which ends no line',
      'a\rb\nc',
      [
        [1, ['a\rb']],
        [2, ['c']],
      ],
    ],
  ] satisfies [string, string, Found[]][])('reads %s', (_, text, found) => {
    expect(read(text)).toEqual(found)
    for (let size = 8; size < 20; size++) expect(read(text, size)).toEqual(found)
  })

  it('gives up one line for a quote that is never closed, and no other', () => {
    const found: Found[] = [
      [1, ['a']],
      [2, undefined],
      [3, ['c']],
      [4, ['d']],
    ]
    expect(read('a\n"b\nc\nd\n')).toEqual(found)
    for (let size = 5; size < 12; size++) expect(read('a\n"b\nc\nd\n', size)).toEqual(found)
  })

  it('refuses a record longer than a slice once, and finds the one after it', () => {
    expect(read(`a\n${'x'.repeat(100)}\nb\n`, 10)).toEqual([
      [1, ['a']],
      [2, undefined],
      [3, ['b']],
    ])
    expect(read(`${'x'.repeat(95)}abc`, 10)).toEqual([[1, undefined]])
  })
})
