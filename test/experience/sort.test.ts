import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sortedRun } from '../../src/experience/sort.ts'
import { runAtOnce } from '../../src/jobs/interruptible.ts'
import { runs } from '../support/property.ts'

const plainly = (ids: string[]) => [...new Set(ids)].sort()

/** So many ids, and the same again in another order now and then. */
const many = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) =>
    make(Math.floor((i * 7919) % count) % Math.ceil(count * 0.9)),
  )

describe('a sorted run', () => {
  it.each([
    ['none', []],
    ['one', ['ann']],
    ['one many times', many(100, () => 'ann')],
    ['numbers of one length', many(5000, (i) => String(i).padStart(10, '0'))],
    ['numbers as they are', many(5000, String)],
    [
      'a beginning that all share, and one of them is no more than that',
      [...many(5000, (i) => `customer-${i}`), 'customer-'],
    ],
    [
      'few beginnings, each longer than a key',
      many(5000, (i) => `${['RETAIL', 'PRIVATE', 'RETAIL-ONLINE'][i % 3]}-0000000${i}`),
    ],
    [
      'beginnings that differ beyond ASCII',
      many(5000, (i) => `${['é', 'ê', 'ö', 'Ж', '漢', '😀', '\uff21'][i % 7]}${i}`),
    ],
    [
      'each going on where another ends, beyond ASCII',
      many(5000, (i) => `${'é'.repeat(i % 40)}a${i}`),
    ],
    [
      'nothing but beyond ASCII',
      many(5000, (i) =>
        String.fromCodePoint(0x4e00 + (i % 71), 0x1f600 + (i % 67), 0xff00 + (i % 61)),
      ),
    ],
    [
      'the last of ASCII and what follows it',
      many(200, (i) => `a${String.fromCharCode(i + 32)}${i}`),
    ],
    ['the beginning of another', many(64, (i) => 'x'.repeat(i))],
    ['more than keys can count', many(270_000, (i) => `id${i}`)],
  ])('has the order of `sort`, each once: %s', (_, ids) => {
    const run = runAtOnce(sortedRun(ids))
    expect(run.length).toBe(plainly(ids).length)
    expect(run).toEqual(plainly(ids))
  })

  it('has the order of `sort` whatever the ids are', () => {
    const piece = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.constantFrom(
          '',
          'a',
          'b',
          'customer',
          '000000',
          '-',
          'é',
          '😀',
          '\ud83d',
          '\uffff',
          '\u007f',
          '\0',
        ),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
    )
    const beginning = fc.constantFrom('', 'a', 'customer-', 'é')
    const id = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(
        beginning,
        fc.array(id, { minLength: 100, maxLength: 600, size: 'max' }),
        (shared, ids) => {
          const begun = ids.map((id) => shared + id)
          expect(runAtOnce(sortedRun(begun))).toEqual(plainly(begun))
        },
      ),
      runs(200),
    )
  })

  it('leaves what it was given as it was', () => {
    const ids = many(100, (i) => `id${i}`)
    const before = [...ids]
    runAtOnce(sortedRun(ids))
    expect(ids).toEqual(before)
  })
})
