import fc from 'fast-check'
import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { isParticipantId, participantIdProblem } from '../../src/audiences/participant-id.ts'
import { canonical, isTooLong, readId } from '../../src/text.ts'
import { db } from './populate.ts'
import { runs } from '../support/property.ts'

/** What the database says of ids: nothing of one that fits, or what is wrong. */
async function idsRead(ids: string[], max: number): Promise<(string | null)[]> {
  const rows = await db.all<{ problem: string | null }>(sql`
    SELECT iif(${isParticipantId(max)}, NULL, ${participantIdProblem(max)}) AS problem
    FROM (SELECT key, value AS user_id FROM json_each(${JSON.stringify(ids)})) AS u ORDER BY u.key`)
  return rows.map(({ problem }) => problem)
}

/** The same as `readId` has it. */
function read(id: string, max: number): string | null {
  const found = readId(id, max)
  if ('id' in found && found.id === id) return null
  // SQLite ends a text there where it counts.
  if (id.includes('\0')) return 'format'
  return isTooLong(canonical(id), max) ? 'too-long' : 'format'
}

/** Where the characters are that show nothing, and some around them. */
const dense = [
  [0, 0x0fff],
  [0x115f, 0x1160],
  [0x1680, 0x1680],
  [0x1700, 0x1900],
  [0x2000, 0x2100],
  [0x2800, 0x2801],
  [0x3000, 0x3170],
  [0xfe00, 0xffff],
  [0x110b0, 0x110d0],
  [0x13430, 0x13440],
  [0x1bca0, 0x1bca4],
  [0x1d170, 0x1d180],
  [0xe0000, 0xe0200],
  [0xe0ff0, 0xe1001],
] as const

const inNfc = (id: string) => id.normalize('NFC')

describe('whether a user can be a participant', () => {
  it('is for each character what reading it as an id says', async () => {
    const points = Array.from({ length: 0x110000 }, (_, point) => point).filter(
      (point) => dense.some(([from, to]) => point >= from && point <= to) || point % 997 === 0,
    )
    const ids = points
      .filter((point) => point < 0xd800 || point > 0xdfff)
      .map((point) => String.fromCodePoint(point))
      .flatMap((sign) => [sign, `${sign}a`, `a${sign}`, `a${sign}a`].map(inNfc))
    const seen = new Set<string | null>()
    for (let from = 0; from < ids.length; from += 5000) {
      const some = ids.slice(from, from + 5000)
      const answers = await idsRead(some, 3)
      const wrong = some.filter((id, i) => read(id, 3) !== answers[i])
      expect(wrong).toEqual([])
      for (const one of answers) seen.add(one)
    }
    expect([...seen].sort()).toEqual(['format', null, 'too-long'])
  }, 60_000)

  it('is for any text what reading it as an id says', async () => {
    const sign = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...'ab.-/,;"\'\\%*?[]^!') },
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          ...' \t\n\0\u001f\u007f\u0085\u00a0\u00ad\u034f\u115f\u180e\u200b\u200d\u2028\u2060\u2800\u3000\u3164',
          ...'\ufe0f\ufeff\uffa0\u{1f600}\u{e0001}\u{e0100}\u{e007f}',
        ),
      },
      { weight: 1, arbitrary: fc.constantFrom(...'é李ßıK') },
    )
    const id = fc.array(sign, { maxLength: 6, size: 'max' }).map((all) => inNfc(all.join('')))
    await fc.assert(
      fc.asyncProperty(
        fc.array(id, { minLength: 200, maxLength: 200 }),
        fc.constantFrom(1, 2, 4, 64),
        async (ids, max) => {
          expect(await idsRead(ids, max)).toEqual(ids.map((id) => read(id, max)))
        },
      ),
      runs(12),
    )
  })
})
