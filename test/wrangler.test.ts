import { expect, it } from 'vitest'
import config from '../wrangler.toml?raw'
import { sequelOf, type Message } from '../src/messages.ts'

it('the Worker reaches its own zone through the firewall alone', () => {
  expect(Cloudflare.compatibilityFlags['global_fetch_strictly_public']).toBe(true)
})

/** The tables of wrangler.toml of a name, as text by key. */
const tables = (name: string) =>
  config
    .split(/^\[/m)
    .filter((part) => part.startsWith(`[${name}]]`))
    .map((part) =>
      Object.fromEntries(
        part.matchAll(/^(\w+) = "?(.+?)"?$/gm).map(([, key, value]) => [key, value]),
      ),
    )

it('every queue has a consumer, and so have its dead letters', () => {
  const consumers = tables('queues.consumers')
  const names = consumers.map(({ queue }) => queue)
  for (const { queue } of tables('queues.producers')) {
    const consumer = consumers.find((one) => one['queue'] === queue)
    expect(consumer).toMatchObject({ max_retries: '8', dead_letter_queue: `${queue}-dead` })
    expect(names).toContain(`${queue}-dead`)
  }
})

it('retries of the dead-letter queue of events match the code', () => {
  const dead = tables('queues.consumers').find(({ queue }) => queue === 'events-dead')
  const retries = Number(dead?.['max_retries'])
  const message: Message = { kind: 'reports', workspace: 1, taken: 1, reports: [] }
  const then = (attempts: number) =>
    sequelOf(message, { attempts, passing: false, dead: true }).then
  expect([then(retries), then(retries + 1)]).toEqual(['retry', 'give-up'])
})
