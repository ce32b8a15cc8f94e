import { env } from 'cloudflare:workers'
import { eventually, type Json } from './api.ts'
import type { Team } from './identity.ts'
import type { Answering, Arrived } from './receiver-server.ts'

/** An address of the real HTTP receiver that nobody else has (see receiver-server.ts). */
export class Receiver {
  readonly name = crypto.randomUUID()
  readonly url = `${env.RECEIVER}/in/${this.name}`

  /** How it answers from now on: one after the other, and the last for ever. Without a word, 204. */
  async answers(...answers: Answering[]): Promise<void> {
    await fetch(`${env.RECEIVER}/answers/${this.name}`, {
      method: 'POST',
      body: JSON.stringify(answers),
    })
  }

  async arrived(): Promise<Arrived[]> {
    return (await fetch(`${env.RECEIVER}/told/${this.name}`)).json()
  }

  /** Waits until so many requests have arrived. */
  async until(count: number): Promise<Arrived[]> {
    // Ends by itself, or a test that has failed goes on asking beside those after it, and its file never ends.
    for (const until = Date.now() + 40_000; ;) {
      const arrived = await this.arrived()
      if (arrived.length >= count) return arrived
      if (Date.now() > until) throw new Error(`${arrived.length} requests of ${count}`)
      await scheduler.wait(20)
    }
  }
}

/** What a webhook was sent, newest first, once so many attempts have been made in all. */
export async function attempted(team: Team, webhook: string, attempts: number): Promise<Json[]> {
  const path = `/webhooks/${webhook}/deliveries?size=1000`
  const { deliveries } = await eventually(
    () => team.get<{ deliveries: (Json & { attempts: Json[] })[] }>(path),
    ({ deliveries }) => deliveries.reduce((sum, one) => sum + one.attempts.length, 0) >= attempts,
  )
  return deliveries
}
