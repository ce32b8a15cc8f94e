import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { uniqueSymbol } from 'hono-openapi'
import type { Expected } from '../experience/expected.ts'
import { Failure } from '../failure.ts'
import type { Http } from './http.ts'

/** An element of a list of entity tags, up to the comma behind it (RFC 9110 §5.6.1, §8.8.3). */
const element = /[ \t]*(?:(W\/)?"([^\u0000-\u0020"\u007f]*)"[ \t]*)?(?:,|$)/y

/**
 * The revisions that an `If-Match` header names (RFC 9110 §13.1.1), whose tags are those of groups;
 * undefined where there is none, or any will do. A weak tag names none. Throws `header-invalid`.
 */
export function readIfMatch(header: string | undefined): Expected | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const tags: RegExpExecArray[] = []
  element.lastIndex = 0
  while (element.lastIndex < header.length) {
    const found = element.exec(header)
    if (found === null) break
    if (found[2] !== undefined) tags.push(found)
  }
  if (tags.length === 0 || element.lastIndex < header.length)
    throw new Failure({ reason: 'header-invalid', header: 'If-Match' })
  const revisions = tags.flatMap(([, weak, tag = '']) =>
    weak === undefined && /^(0|[1-9]\d{0,14})$/.test(tag) ? [Number(tag)] : [],
  )
  return { header, revisions }
}

const parameter = {
  in: 'header',
  name: 'If-Match',
  description:
    'The revision that the group must be at, as its ETag: "3", or several. The request is refused ' +
    'where it is at another one, or where a job under way may go live before.',
  schema: { type: 'string' },
} as const

/** Reads `If-Match`, and describes it. Throws `header-invalid`. */
export const ifMatch = Object.assign(
  createMiddleware<Http>(async (c, next) => {
    c.set('expected', readIfMatch(c.req.header('if-match')))
    await next()
  }),
  { [uniqueSymbol]: { spec: { parameters: [parameter] } } },
)

/** Says which revision a group is at. */
export function setTag(c: Context<Http>, revision: number): void {
  c.header('ETag', `"${revision}"`)
  // A proxy that compresses an answer makes its tag a weak one.
  c.header('Cache-Control', 'no-store, no-transform')
}

/** The header of such an answer. */
export const taggedHeaders = {
  ETag: {
    description: 'The revision that the group is at, for If-Match',
    schema: { type: 'string' as const },
  },
}
