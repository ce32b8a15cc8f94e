import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mentionsOf } from '../../src/erasure/mentions.ts'
import { readId } from '../../src/text.ts'
import { phrasesOf } from '../../src/webhooks/phrases.ts'
import { runs } from '../support/property.ts'

const part = fc.oneof(
  fc.constantFrom(
    'ann',
    'O',
    '17',
    'é',
    '李雷',
    '😀',
    '-',
    '@',
    '.',
    ' ',
    '"',
    '\\',
    '%',
    '+',
    '_',
    '/',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }),
)
const text = (most: number) => fc.array(part, { maxLength: most }).map((parts) => parts.join(''))
const id = text(20).filter((id) => 'id' in readId(id, 64))
const spelled: ((id: string) => string)[] = [
  (id) => id,
  (id) => id.normalize('NFD'),
  (id) => JSON.stringify({ id }),
  (id) =>
    JSON.stringify(id).replace(
      /[^ -~]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  (id) => `/users/${encodeURIComponent(id)}?x`,
  (id) => `"${id.replaceAll('"', '""')}",x`,
]

describe('the phrases of a text', () => {
  it('have each id that it mentions, however it is spelled', () => {
    fc.assert(
      fc.property(
        text(12),
        id,
        text(12),
        fc.constantFrom(...spelled),
        (before, id, after, spell) => {
          const person = readId(id, 64)
          if (!('id' in person)) throw new Error('not an id')
          const all = before + spell(person.id) + after
          fc.pre(mentionsOf([person.id])(all))
          expect(phrasesOf(all, Infinity)).toContain(person.id)
        },
      ),
      runs(300),
    )
  })

  it.each(['x'.repeat(64), '😀'.repeat(64), `a${' '.repeat(62)}b`])(
    'have an id of 64: %s',
    (id) => {
      expect(phrasesOf(`no user "${id}" here`, 5000)).toContain(id)
      expect(phrasesOf(`no user "${id}-${id}" here`, 1e6)).not.toContain(`${id}-${id}`)
    },
  )

  it('are counted, and none are given beyond a number', () => {
    expect(phrasesOf('a b', 3)).toEqual(new Set(['a', 'a b', 'b']))
    expect(phrasesOf('a b', 2)).toBeUndefined()
    expect(phrasesOf('', 0)).toEqual(new Set())
  })
})
