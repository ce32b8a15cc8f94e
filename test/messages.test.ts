import { describe, expect, it } from 'vitest'
import { isPassing } from '../src/failure.ts'
import { forMessages, sequelOf, type Message, type Queued } from '../src/messages.ts'

const job = { kind: 'job', workspace: 1, job: 2 } as const
const reports: Message = { kind: 'reports', workspace: 1, taken: 1, reports: [] }
const exposures: Message = {
  ...{ kind: 'exposures', workspace: 1, taken: 1, exposures: [], by: { name: 'x' } },
}
const webhook: Message = { kind: 'deliver', workspace: 1, webhook: 2 }

const passing = (message: Queued, attempts = 1, dead = false) =>
  sequelOf(message, { attempts, passing: true, dead })
const failing = (message: Message, attempts: number, dead = false) =>
  sequelOf(message, { attempts, passing: false, dead })

describe('an error', () => {
  it.each([
    'D1_ERROR: D1 DB is overloaded. Requests queued for too long.',
    'D1_ERROR: D1 DB is overloaded. Too many requests queued.',
    'D1_ERROR: D1 DB reset because its code was updated.',
    'D1_ERROR: Network connection lost.',
    'D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.',
    'D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.',
    'D1_ERROR: Internal error in D1 DB storage caused object to be reset.',
    'D1_ERROR: Cannot resolve D1 DB due to transient issue on remote node.',
  ])('of the database passes, also as a cause: %s', (message) => {
    expect(isPassing(new Error(message))).toBe(true)
    const query = new Error('Failed query: SELECT 1', { cause: new Error(message) })
    expect(isPassing(query)).toBe(true)
    expect(isPassing(new Error('job 1 may be open', { cause: query }))).toBe(true)
  })

  it.each([
    new Error('D1_ERROR: D1 DB exceeded its CPU time limit and was reset.'),
    new Error("D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset."),
    new Error('Failed query', { cause: new Error('D1_ERROR: no such table: jobs') }),
    'Network connection lost.',
    undefined,
  ])('of another kind does not: %s', (error) => {
    expect(isPassing(error)).toBe(false)
  })
})

describe('a message', () => {
  it('that waits for the database is sent again after growing pauses', () => {
    const pauses: number[] = []
    let message: Queued = job
    for (let waited = 0; waited < 240; waited++) {
      const sequel = passing(message)
      if (sequel.then !== 'send-again') throw new Error('it is not sent again')
      expect(sequel.message).toEqual({ ...job, waited: waited + 1 })
      pauses.push(sequel.delaySeconds)
      message = sequel.message
    }
    expect(pauses.slice(0, 13)).toEqual([
      ...[2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600],
    ])
    const days = pauses.reduce((sum, seconds) => sum + seconds, 0) / 86_400
    expect(days).toBeGreaterThan(9)
    // What has not passed by then is taken to fail by itself.
    expect(passing(message, 3)).toEqual({ then: 'retry', delaySeconds: 8 })
  })

  it('of a cron is known as such when it is sent again', () => {
    const scheduled = { ...job, scheduled: true }
    expect(passing(scheduled)).toMatchObject({ message: { ...scheduled, waited: 1 } })
  })

  it('that fails by itself is retried by its queue', () => {
    const delays = [1, 2, 3, 8, 9, 50].map((attempts) => failing(job, attempts))
    expect(delays).toEqual(
      [2, 4, 8, 256, 300, 300].map((delaySeconds) => ({ then: 'retry', delaySeconds })),
    )
    expect(failing({ ...job, waited: 7 }, 1)).toEqual({ then: 'retry', delaySeconds: 2 })
  })

  it.each([webhook, { ...job, stalled: true }])(
    'that a cron sends again waits a minute: $kind',
    (message) => {
      expect(passing(message, 4)).toEqual({ then: 'retry', delaySeconds: 16 })
      expect(passing(message, 5)).toEqual({ then: 'let-go' })
      expect(failing(message, 5)).toEqual({ then: 'retry', delaySeconds: 32 })
    },
  )

  it.each([reports, exposures])('of $kind is sent again, and tried longer dead', (reports) => {
    expect(passing(reports)).toMatchObject({ then: 'send-again', delaySeconds: 2 })
    expect(failing(reports, 3)).toEqual({ then: 'retry', delaySeconds: 8 })
    expect(failing(reports, 1, true)).toEqual({ then: 'retry', delaySeconds: 2 })
    expect(failing(reports, 100, true)).toEqual({ then: 'retry', delaySeconds: 3600 })
    for (const sequel of [failing(reports, 101, true), passing(reports, 101, true)])
      expect(sequel).toEqual({ then: 'give-up' })
  })

  it('of a dead-letter queue stays there, an hour at most', () => {
    expect(passing(job, 1, true)).toEqual({ then: 'retry', delaySeconds: 2 })
    expect(passing(webhook, 50, true)).toEqual({ then: 'retry', delaySeconds: 3600 })
    expect(failing(job, 50, true)).toEqual({ then: 'retry', delaySeconds: 300 })
  })
})

describe('items of messages', () => {
  const sizes = (items: string[]) => forMessages(items)?.map(({ length }) => length)
  /** With its quotes and a comma. */
  const item = (bytes: number) => 'é'.repeat((bytes - 4) / 2) + 'x'

  it('fill a message before the next, in their order', () => {
    expect(forMessages([])).toEqual([])
    expect(sizes(Array<string>(13).fill(item(10_000)))).toEqual([12, 1])
    const large = item(119_996)
    expect(forMessages(['a', large, 'b'])).toEqual([['a', large], ['b']])
    expect(sizes(['a', item(119_998), 'b'])).toEqual([1, 1, 1])
  })

  it('are none where one is too large, or all of them', () => {
    expect(sizes([item(120_000)])).toEqual([1])
    expect(sizes([item(120_002)])).toBeUndefined()
    expect(sizes(Array<string>(24).fill(item(10_000)))).toEqual([12, 12])
    expect(sizes(Array<string>(25).fill(item(10_000)))).toBeUndefined()
  })
})
