import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { momentOf } from '../../src/moment.ts'
import * as oracle from './evaluate.ts'
import { peopled, populate } from './populate.ts'
import { homeDb } from '../support/databases.ts'
import { runs } from '../support/property.ts'

describe('a text as a moment', () => {
  it.each<[text: string, moment: string]>([
    ['2026-11-01', '2026-11-01T00:00:00.000Z'],
    ['2026-11-01T09:30', '2026-11-01T09:30:00.000Z'],
    ['2026-11-01 09:30:15', '2026-11-01T09:30:15.000Z'],
    ['2026-11-01t09:30:15z', '2026-11-01T09:30:15.000Z'],
    ['2026-11-01T09:30:15,25Z', '2026-11-01T09:30:15.250Z'],
    ['2026-11-01T09:30:15.123456+02:00', '2026-11-01T07:30:15.123Z'],
    ['2026-11-01T09:30-0530', '2026-11-01T15:00:00.000Z'],
    ['2026-11-01T00:00+14', '2026-10-31T10:00:00.000Z'],
    [' 2024-02-29\u00a0', '2024-02-29T00:00:00.000Z'],
    ['0000-02-29', '0000-02-29T00:00:00.000Z'],
    ['0099-12-31', '0099-12-31T00:00:00.000Z'],
  ])('is %j that of %s', (text, moment) => {
    expect(momentOf(text)).toBe(Date.parse(moment))
  })

  it.each([
    '',
    '2026',
    '2026-11',
    '20261101',
    '2026-W44-7',
    '2026-305',
    '2026-11-1',
    '26-11-01',
    '2026-02-30',
    '2023-02-29',
    '2026-00-10',
    '2026-13-01',
    '2026-11-31',
    '2026-11-00',
    '2026-11-01T',
    '2026-11-01T9:30',
    '2026-11-01T24:00',
    '2026-11-01T09:60',
    '2026-11-01T09:30:60',
    '2026-11-01T09:30:15.',
    '2026-11-01T09:30.5',
    '2026-11-01T09:30 Z',
    '2026-11-01  09:30',
    '2026-11-01T09:30+1',
    '2026-11-01T09:30+15:00',
    '2026-11-01T09:30+01:60',
    '2026-11-01T09:30Z+01:00',
    '2026-11-01Z',
    '٢٠٢٦-١١-٠١',
    '9999-12-31T23:59-01:00',
    '01.11.2026',
    'now',
    'true',
  ])('is %j none', (text) => {
    expect(momentOf(text)).toBeUndefined()
  })

  const two = fc.constantFrom(
    '00',
    '01',
    '09',
    '12',
    '14',
    '23',
    '24',
    '29',
    '30',
    '31',
    '59',
    '60',
    '99',
    '7',
  )
  const dateLike = fc
    .tuple(
      fc.constantFrom('2026', '2024', '1900', '2000', '0000', '9999', '0099', '26'),
      two,
      two,
      fc.constantFrom('', 'T', 't', ' ', '  ', '-'),
      two,
      fc.constantFrom('', ':', ':', ':', '.'),
      two,
      fc.option(two, { nil: '' }),
      fc.constantFrom('', '', '.5', ',25', '.123', '.0001', '.', '.9'),
      fc.constantFrom(
        '',
        '',
        'Z',
        'z',
        ' Z',
        '+01:00',
        '-0530',
        '+14',
        '-14:59',
        '+15',
        '+1',
        '\t+01:00',
      ),
      fc.constantFrom('', '', '', ' ', '\n', '\u00a0', 'x'),
      fc.constantFrom(10, 100, 100, 100),
    )
    .map(([year, month, day, t, hour, colon, minute, second, fraction, zone, end, length]) => {
      const seconds = second === '' ? '' : `:${second}${fraction}`
      return (
        `${year}-${month}-${day}${t}${hour}${colon}${minute}${seconds}${zone}`.slice(0, length) +
        end
      )
    })

  it('is the same in SQL, own or inherited, as in words', async () => {
    let moments = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(dateLike, { minLength: 300, maxLength: 300, size: 'max' }),
        async (texts) => {
          const expected = texts.map((text) => momentOf(text) ?? null)
          moments += expected.filter((moment) => moment !== null).length
          expect(texts.map((text) => oracle.momentOf(text) ?? null)).toEqual(expected)
          const ids = texts.map((_, i) => `u${String(i).padStart(3, '0')}`)
          const own = await peopled(Object.fromEntries(texts.map((a, i) => [ids[i], { a }])))
          const shared = await populate({
            users: [],
            definitions: [
              {
                id: 'household',
                deleted: false,
                shares: [],
                groups: texts.map((result, i) => ({
                  members: ids.slice(i, i + 1),
                  shared: [{ name: 'a', function: 'latest', result }],
                })),
              },
            ],
            cohorts: [],
          })
          const list = await peopled({ ann: { a: texts } })
          const read = async (query: string, key: number) =>
            (await homeDb.prepare(query).bind(key).all<{ m: number | null }>()).results.map(
              ({ m }) => m,
            )
          const ofWorkspace = 'SELECT m FROM own_readings WHERE workspace_id = ? ORDER BY user_id'
          expect(await read(ofWorkspace, own)).toEqual(expected)
          expect(await read(ofWorkspace, list)).toEqual(expected)
          expect(
            await read(
              'SELECT m FROM shared_readings WHERE definition_key = ? ORDER BY user_id',
              shared * 1000,
            ),
          ).toEqual(expected)
        },
      ),
      runs(10),
    )
    expect(moments).toBeGreaterThan(50)
  })
})
