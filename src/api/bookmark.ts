import { createMiddleware } from 'hono/factory'
import type { generateSpecs } from 'hono-openapi'
import type { Http } from './http.ts'

/** Of a request and of an answer: a state of the database. */
export const bookmarkHeader = 'x-d1-bookmark'
export const servedByHeader = 'x-served-by'

/** Says which state an answer shows, and which database answered. */
export const bookmarked = createMiddleware<Http>(async (c, next) => {
  await next()
  const { bookmark, servedBy } = c.var.res.answered()
  if (bookmark !== undefined) c.header(bookmarkHeader, bookmark)
  if (servedBy !== undefined) c.header(servedByHeader, servedBy)
})

const components = {
  parameters: {
    Bookmark: {
      name: bookmarkHeader,
      in: 'header',
      description:
        'The header of an answer before: the request then sees that state or a later one. Without ' +
        'it, a replica may be a moment behind; one that cannot be read is answered by the primary.',
      schema: { type: 'string' as const },
    },
  },
  headers: {
    Bookmark: {
      description: 'The state that this answer shows, where the database was queried',
      schema: { type: 'string' as const },
    },
    ServedBy: {
      description: 'The region of the database that was queried, and `primary` or `replica`',
      schema: { type: 'string' as const },
    },
  },
}

type Spec = Awaited<ReturnType<typeof generateSpecs>>

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const

/** Names both headers at each operation that needs a token or a secret. */
export function withBookmarks(document: Spec): object {
  const operations = Object.values(document.paths)
    .flatMap((path) => methods.flatMap((method) => path[method] ?? []))
    .filter(({ security = [] }) => security.length > 0)
  for (const operation of operations) {
    const bookmark = { $ref: '#/components/parameters/Bookmark' }
    operation.parameters = [...(operation.parameters ?? []), bookmark]
    for (const [status, answer] of Object.entries(operation.responses ?? {}))
      if (status.startsWith('2') && !('$ref' in answer))
        answer.headers = {
          ...answer.headers,
          [bookmarkHeader]: { $ref: '#/components/headers/Bookmark' },
          [servedByHeader]: { $ref: '#/components/headers/ServedBy' },
        }
  }
  const { parameters, headers } = document.components ?? {}
  return {
    ...document,
    components: {
      ...document.components,
      parameters: { ...parameters, ...components.parameters },
      headers: { ...headers, ...components.headers },
    },
  }
}
