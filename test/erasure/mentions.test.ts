import { describe, expect, it } from 'vitest'
import { findMentioning, mentionsOf } from '../../src/erasure/mentions.ts'

const mentions = mentionsOf(['ann', 'josé', 'a"b', '17', '李雷', 'x\u200dy', 'o@x.de'])

describe('a text mentions a person', () => {
  it.each([
    'ann',
    'ann,x',
    '"ann",x',
    'of ann.csv',
    'ann_2026.csv',
    'Annan ann',
    'jose\u0301;x',
    '{"id":"jos\\u00e9"}',
    '{"id":"jos\\u00E9"}',
    '/users/jos%C3%A9?x=1',
    '"a""b",x',
    '{"id":"a\\"b"}',
    'a"b',
    '17,x',
    'row 17.',
    '我的李雷文件',
    'x\ufffdy,z',
    'x\u200dy',
    'no user o@x.de here',
    'o%40x.de',
  ])('in %s', (text) => {
    expect(mentions(text)).toBe(true)
  })

  it.each(['', 'annual', 'joann', '2017', '170', '%', '%C3', '\\u00', 'jos', 'bob', 'o@x', 'ANN'])(
    'but not in %s',
    (text) => {
      expect(mentions(text)).toBe(false)
    },
  )

  it('of a thousand of all lengths, whose search lets others go on', () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `id-${'y'.repeat(i % 40)}${i}`)
    const answers = Array.from({ length: 500 }, (_, i) => `${'lorem '.repeat(170)} ${i}`)
    const those = mentionsOf(ids)
    const search = findMentioning([...answers, ...ids, 'id-yy', 'id-y420'], those)
    let yields = 0
    const begun = performance.now()
    for (let next = search.next(); ; next = search.next()) {
      if (next.done === true) {
        expect(next.value).toEqual(ids)
        break
      }
      yields++
    }
    expect(yields).toBe(75)
    expect(performance.now() - begun).toBeLessThan(3000)
  })

  it('never where nobody is named', () => {
    expect(mentionsOf([])('ann')).toBe(false)
  })
})
