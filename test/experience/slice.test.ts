import { describe, expect, it } from 'vitest'
import type { FileFormat } from '../../src/db/schema.ts'
import { readParticipants } from '../../src/experience/slice.ts'
import { legacyFormat } from '../../src/jobs/format.ts'
import { runAtOnce } from '../../src/jobs/interruptible.ts'

const slice = (
  text: string | Uint8Array<ArrayBuffer>,
  problemsMax = 10,
  format: FileFormat = legacyFormat,
) =>
  runAtOnce(
    readParticipants(
      Uint8Array.from(typeof text === 'string' ? new TextEncoder().encode(text) : text).buffer,
      {
        place: 'start',
        line: 0,
        last: true,
        rowsMax: 1000,
        problemsMax,
        format,
      },
      32,
    ),
  )

describe('a slice of a file', () => {
  it('is a sorted run of ids, each once, trimmed', () => {
    expect(slice('ParticipantId\nb\n a \nb\n')).toMatchObject({
      items: ['a', 'b'],
      rows: 3,
      badRows: 0,
    })
  })

  it.each([
    'ParticipantId',
    'PARTICIPANTID',
    'participant_id',
    'Participant Id',
    'id',
    'userId',
    '"ParticipantId"',
    '\ufeffParticipantId',
  ])('takes a first row %s for a header', (header) =>
    expect(slice(`${header}\nann\n`)).toMatchObject({ items: ['ann'], rows: 1 }),
  )

  it('takes a first row of data for a participant, headers below too', () => {
    expect(slice('ann\nid\n')).toMatchObject({ items: ['ann', 'id'], rows: 2 })
    expect(slice('\n\nid\nann\n')).toMatchObject({ items: ['ann'], rows: 1 })
  })

  it.each([
    ['two columns', 'ann,bob\n', 'columns', 'ann,bob'],
    ['an operation', 'ann,ADD\n', 'operation', 'ann,ADD'],
    ['33 characters', `${'x'.repeat(33)}\n`, 'too-long', 'x'.repeat(33)],
    ['far more characters', `${'é'.repeat(9000)}\n`, 'too-long', 'é'.repeat(64)],
    ['a control character', 'a\u0007b\n', 'format', 'a␇b'],
    ['a quoted line feed', '"a\nb"\n', 'format', '"a␊b"'],
    ['an empty quoted id', '""\n', 'format', '""'],
    ['a stray quote', 'a"b\n', 'format', 'a"b'],
    ['nothing that can be seen', '\u200b\u2060\n', 'format', '\ufffd\ufffd'],
    ['two dots', '..\n', 'format', '..'],
    ['bytes that are not UTF-8', Uint8Array.from([0x61, 0xff, 0x0a]), 'format', 'a\ufffd'],
    ['UTF-16', Uint8Array.from([0xff, 0xfe, 0x61, 0x00, 0x0a]), 'format', '\ufffd\ufffda␀'],
  ])('refuses a row of %s, and shows it', (_, text, problem, value) => {
    expect(slice(text)).toMatchObject({
      items: [],
      rows: 1,
      badRows: 1,
      problems: [[1, problem, value]],
    })
  })

  it.each([
    ['trailing separators', 'ParticipantId;\nann;\nbob;\n', [0, ';', true], ['ann', 'bob'], 0],
    ['an empty column before', '|ann\n|bob\n', [1, '|', false], ['ann', 'bob'], 0],
    ['rows of separators alone', 'ann,,\n,,\nbob,,\n', [0, ',', false], ['ann', 'bob'], 0],
    ['a late second column', 'ann\t\nbob\tBob\n', [0, '\t', false], ['ann'], 1],
    ['several columns', 'ann;\nbob;Bob\n', [null, ';', false], [], 2],
    ['an id in another column', 'ann,\n,bob\n', [0, ',', false], ['ann'], 1],
    ['its header again', 'user_id\nann\nuser id\nbob\n', [0, ',', true], ['ann', 'bob'], 1],
    ['a header further down', 'ann\nParticipantId\nbob\n', [0, ',', false], ['ann', 'bob'], 1],
    ['a separator named again', 'ann\nsep=;\nbob\n', [0, ',', false], ['ann', 'bob'], 1],
    ['another separator late', 'ann\nbob;Bob\nc|d\ne\tf\n', [0, ',', false], ['ann'], 3],
    ['separators in quotes', '"a;b"\n"c|d"\n"e,f"\n', [0, ',', false], ['a;b', 'c|d', 'e,f'], 0],
    ['another column than the ids’', 'user_id,x\n,Ann\n,Bob\n', [null, ',', true], [], 2],
  ] satisfies [string, string, [number | null, string, boolean], string[], number][])(
    'reads a file with %s',
    (_, text, [column, separator, headed], items, badRows) => {
      const format = { ...legacyFormat, column, separator, headed }
      expect(slice(text, 10, format)).toMatchObject({ items, badRows })
    },
  )

  it('counts characters, not bytes or UTF-16 units', () => {
    expect(slice(`${'🎉'.repeat(32)}\n${'é'.repeat(32)}\n${'🎉'.repeat(33)}\n`)).toMatchObject({
      rows: 3,
      badRows: 1,
    })
  })

  it('names no more problems than its limit, and counts them all', () => {
    const { problems, badRows } = slice('a,b\n'.repeat(20), 3)
    expect(problems.map(([line]) => line)).toEqual([1, 2, 3])
    expect(badRows).toBe(20)
  })

  it('ends at its limit of rows, so that memory stays bounded', () => {
    const { items, length, lines } = slice('7\n'.repeat(1500))
    expect({ items, length, lines }).toEqual({ items: ['7'], length: 2000, lines: 1000 })
  })

  it('keeps ids that are names of prototype members', () => {
    expect(slice('__proto__\nconstructor\ntoString\n').items).toEqual([
      '__proto__',
      'constructor',
      'toString',
    ])
  })
})
