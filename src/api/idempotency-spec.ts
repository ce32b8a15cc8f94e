import { uniqueSymbol, type generateSpecs } from 'hono-openapi'
import { keyHeader, replayedHeader } from './idempotency-key.ts'

const parameter = '#/components/parameters/IdempotencyKey'

const components = {
  parameters: {
    IdempotencyKey: {
      name: keyHeader,
      in: 'header',
      description:
        'A text of up to 255 characters of ASCII, quoted or not, that the client makes anew for each ' +
        'request. The same request with the same key does nothing again, and is answered as the ' +
        'first; for 24 hours, whatever was lost on the way. Another request with the key is refused. ' +
        'A request that was refused may be sent again with its key. Keys of two clients are two keys.',
      schema: { type: 'string' as const },
    },
  },
  headers: {
    IdempotencyReplayed: {
      description: 'Given, and true, where a request before has had the key',
      schema: { type: 'string' as const, enum: ['true'] },
    },
  },
}

/** Describes that a middleware reads the key. */
export const describeKey = <Middleware extends object>(middleware: Middleware) =>
  Object.assign(middleware, { [uniqueSymbol]: { spec: { parameters: [{ $ref: parameter }] } } })

type Spec = Awaited<ReturnType<typeof generateSpecs>>

/** Describes the answers of operations that read the key, and the key. */
export function withKeys(document: Spec): Spec {
  const operations = Object.values(document.paths)
    .flatMap((path) => [path.post ?? [], path.put ?? []].flat())
    .filter(({ parameters = [] }) =>
      parameters.some((one) => '$ref' in one && one.$ref === parameter),
    )
  for (const { responses = {} } of operations)
    for (const [status, answer] of Object.entries(responses))
      if (status.startsWith('2') && !('$ref' in answer))
        answer.headers = {
          ...answer.headers,
          [replayedHeader]: { $ref: '#/components/headers/IdempotencyReplayed' },
        }
  return { ...document, components: { ...document.components, ...components } }
}
