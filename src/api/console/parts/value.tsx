import type { Value } from '../../../identity/attributes.ts'
import { count } from './figures.tsx'

/** Characters, and items of a list, of a value in a table. */
const shownMost = 120
const itemsInTable = 5

/** Items of a list that is shown by itself. */
const itemsMost = 100

/** A text that may be of any script and of any length, in a table. */
export function Text({ of }: { of: string }) {
  if (of.trim() === '') return <span class="soft">{of === '' ? 'empty' : 'blank'}</span>
  return <bdi>{shortened(of)}</bdi>
}

/** The first characters of a text. */
export const beginningOf = (text: string, most: number): string =>
  [...text.slice(0, 2 * most)].slice(0, most).join('')

/** A text, or its beginning and an ellipsis where it is long. */
export function shortened(text: string, most = shownMost): string {
  const beginning = beginningOf(text, most)
  return beginning.length < text.length ? `${beginning}…` : text
}

/** The value of an attribute in a table. */
export function Short({ of }: { of: Value }) {
  if (!Array.isArray(of)) return <Text of={String(of)} />
  if (of.length === 0) return <span class="soft">an empty list</span>
  return (
    <>
      {of.slice(0, itemsInTable).map((item, i) => (
        <>
          {i > 0 && ', '}
          <Text of={item} />
        </>
      ))}
      {of.length > itemsInTable && (
        <span class="soft"> and {count(of.length - itemsInTable)} more</span>
      )}
    </>
  )
}

/** The whole value, but for the end of a very long list. */
export function Whole({ of }: { of: Value }) {
  if (!Array.isArray(of)) return <pre class="value">{String(of)}</pre>
  return (
    <>
      <pre class="value">{of.slice(0, itemsMost).join('\n')}</pre>
      {of.length > itemsMost && <p class="soft">And {count(of.length - itemsMost)} more items.</p>}
    </>
  )
}

/** Whether a table shows only a part of a value. */
export const isLong = (value: Value): boolean =>
  Array.isArray(value)
    ? value.length > itemsInTable || value.some((item) => shortened(item) !== item)
    : shortened(String(value)) !== String(value)

/** Several ids in a row, the first ones where there are many. */
export const Ids = ({ of, most = of.length }: { of: string[]; most?: number }) => (
  <>
    {of.slice(0, most).map((id, i) => (
      <>
        {i > 0 && ', '}
        <bdi class="id">{id}</bdi>
      </>
    ))}
    {of.length > most && ` and ${count(of.length - most)} more`}
  </>
)

/** Several words as a part of a sentence: `a, b and c`. */
export const listed = (parts: string[]): string =>
  new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(parts)
