import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { shardsOf } from '../../src/db/shards.ts'

// Cloudflare's limits, as its documentation of D1 and Queues has them: the local stand-ins forgive more.
const limits = {
  sqlBytes: 100_000,
  parameters: 100,
  valueBytes: 2_000_000,
  statementsPerInvocation: 1000,
  batchMilliseconds: 30_000,
  messageBytes: 128_000,
  batchMessages: 100,
  batchBytes: 256_000,
  delaySeconds: 86_400,
}

/** What production refuses. */
export class Refused extends Error {}

/** The bindings of one invocation, as strict as production. */
export const strict = (env: Env): Env => ({
  ...env,
  DB: strictDatabase(env.DB),
  ...Object.fromEntries(
    shardsOf(env)
      .map((db, shard) => [`DB_${shard}`, strictDatabase(db)])
      .slice(1),
  ),
  WORK: strictQueue(env.WORK),
  SCHEDULED: strictQueue(env.SCHEDULED),
  DELIVERIES: strictQueue(env.DELIVERIES),
  EVENTS: strictQueue(env.EVENTS),
})

type Queried = Pick<D1Database, 'prepare' | 'batch'>

/** `ran` counts the statements of the invocation. */
export function strictDatabase(d1: D1Database, ran = { statements: 0 }): D1Database {
  const own: Partial<D1Database> = {
    ...queried(d1, ran),
    withSession: (...from) => {
      const session = d1.withSession(...from)
      const strictly = queried(session, ran)
      return new Proxy(session, {
        get: (inner, key) => strictly[key as keyof Queried] ?? bound(inner, key),
      })
    },
  }
  return new Proxy(d1, {
    get: (target, key) => own[key as keyof D1Database] ?? bound(target, key),
  })
}

function bound(target: object, key: string | symbol): unknown {
  const value: unknown = Reflect.get(target, key)
  return typeof value === 'function' ? value.bind(target) : value
}

function queried(d1: Queried, ran: { statements: number }): Queried {
  const inner = new WeakMap<object, D1PreparedStatement>()
  const count = (statements: number) => {
    ran.statements += statements
    refuseAbove('statements of one invocation', ran.statements, limits.statementsPerInvocation)
  }
  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const wrapped = new Proxy(statement, {
      get(target, key) {
        if (key === 'bind')
          return (...values: unknown[]) => {
            refuseAbove('parameters', values.length, limits.parameters)
            for (const value of values)
              refuseAbove('bytes of a parameter', bytesOf(value), limits.valueBytes)
            return wrap(target.bind(...values))
          }
        if (key === 'all' || key === 'run' || key === 'first' || key === 'raw') count(1)
        return bound(target, key)
      },
    })
    inner.set(wrapped, statement)
    return wrapped
  }
  return {
    prepare: (query) => {
      refuseAbove('bytes of SQL', bytesOf(query), limits.sqlBytes)
      return wrap(d1.prepare(query))
    },
    batch: async <Row>(statements: D1PreparedStatement[]) => {
      count(statements.length)
      const results = await d1.batch<Row>(statements.map((one) => inner.get(one) ?? one))
      const ms = results.reduce((sum, { meta }) => sum + meta.duration, 0)
      refuseAbove('milliseconds of a batch', ms, limits.batchMilliseconds)
      return results
    },
  }
}

export function strictQueue(queue: Queue<Message>): Queue<Message> {
  const check = (body: unknown, delaySeconds = 0) => {
    const bytes = bytesOf(JSON.stringify(body))
    refuseAbove('bytes of a message', bytes, limits.messageBytes)
    refuseAbove('seconds of a delay', delaySeconds, limits.delaySeconds)
    return bytes
  }
  return new Proxy(queue, {
    get(target, key) {
      if (key === 'send')
        return (body: Message, options?: QueueSendOptions) => {
          check(body, options?.delaySeconds)
          return target.send(body, options)
        }
      if (key === 'sendBatch')
        return (messages: MessageSendRequest<Message>[], options?: QueueSendBatchOptions) => {
          refuseAbove('messages of a batch', messages.length, limits.batchMessages)
          const bytes = messages.map(({ body, delaySeconds }) => check(body, delaySeconds))
          refuseAbove(
            'bytes of a batch',
            bytes.reduce((a, b) => a + b, 0),
            limits.batchBytes,
          )
          return target.sendBatch(messages, options)
        }
      return bound(target, key)
    },
  })
}

function refuseAbove(what: string, number: number, most: number): void {
  if (number > most) throw new Refused(`${number} ${what}: production takes ${most}`)
}

function bytesOf(value: unknown): number {
  if (typeof value === 'string')
    return value.length * 3 <= limits.sqlBytes ? value.length : Buffer.byteLength(value)
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? value.byteLength : 0
}
