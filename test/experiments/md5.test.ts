import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { md5Head } from '../../src/experiments/md5.ts'
import { runs } from '../support/property.ts'

/** Lone surrogates become U+FFFD in both. */
const head = (text: string) => createHash('md5').update(text, 'utf8').digest().readUInt32BE()

/** Texts of one kind of character, so long that they end before, at and after the end of a block. */
const characters = ['a', 'é', '李', '😀', '\ud83d', '\0']
const lengths = [...Array(201).keys(), 1022, 1023, 1024, 1025, 1026, 4096]

describe('the head of an MD5', () => {
  it.each(characters)('is that of node:crypto, of any length: %j', (character) => {
    for (const length of lengths) {
      const text = character.repeat(length)
      expect([length, md5Head(text)]).toEqual([length, head(text)])
    }
  })

  it('is that of node:crypto, whatever the text, and whatever came before it', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 })
    fc.assert(
      fc.property(
        fc.array(fc.oneof(text, fc.string({ maxLength: 200 })), { maxLength: 4 }),
        (texts) => {
          expect(texts.map(md5Head)).toEqual(texts.map(head))
        },
      ),
      runs(60),
    )
  })

  it('is that of node:crypto where surrogates stand alone', () => {
    const unit = fc.constantFrom('\ud83d', '\ude00', 'a', '\ud83d\ude00')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 80 }), (text) => {
        expect(md5Head(text)).toBe(head(text))
      }),
      runs(300),
    )
  })
})
