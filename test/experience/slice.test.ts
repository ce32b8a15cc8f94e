import { describe, expect, it } from 'vitest'
import { readParticipants } from '../../src/experience/slice.ts'

const slice = (text: string | Uint8Array<ArrayBuffer>, problemsMax = 10) =>
  readParticipants(
    Uint8Array.from(typeof text === 'string' ? new TextEncoder().encode(text) : text).buffer,
    {
      place: 'start',
      line: 0,
      last: true,
      rowsMax: 1000,
      problemsMax,
    },
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

  it('takes a first row that names someone for a participant, and a header further down too', () => {
    expect(slice('ann\nid\n')).toMatchObject({ items: ['ann', 'id'], rows: 2 })
    expect(slice('\n\nid\nann\n')).toMatchObject({ items: ['ann'], rows: 1 })
  })

  it.each([
    ['two columns', 'ann,bob\n', 'columns'],
    ['33 characters', `${'x'.repeat(33)}\n`, 'too-long'],
    ['a control character', 'a\u0007b\n', 'format'],
    ['a quoted line feed', '"a\nb"\n', 'format'],
    ['an empty quoted id', '""\n', 'format'],
    ['a stray quote', 'a"b\n', 'format'],
    ['bytes that are not UTF-8', Uint8Array.from([0x61, 0xff, 0x0a]), 'format'],
    ['UTF-16', Uint8Array.from([0xff, 0xfe, 0x61, 0x00, 0x0a]), 'format'],
  ])('refuses a row of %s', (_, text, problem) => {
    expect(slice(text)).toMatchObject({ items: [], rows: 1, badRows: 1, problems: [[1, problem]] })
  })

  it('counts characters, not bytes or UTF-16 units', () => {
    expect(slice(`${'🎉'.repeat(32)}\n${'é'.repeat(32)}\n${'🎉'.repeat(33)}\n`)).toMatchObject({
      rows: 3,
      badRows: 1,
    })
  })

  it('names no more problems than it is asked for, and counts them all', () => {
    const { problems, badRows } = slice('a,b\n'.repeat(20), 3)
    expect(problems.map(([line]) => line)).toEqual([1, 2, 3])
    expect(badRows).toBe(20)
  })

  it('ends after as many rows as it may hold, so that short ids do not fill the memory', () => {
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
