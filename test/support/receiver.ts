import { env } from 'cloudflare:workers'
import { eventually, type Json } from './api.ts'
import type { Team } from './identity.ts'
import type { Answering, Arrived } from './receiver-server.ts'

/** An address of the real HTTP receiver that nobody else has (see receiver-server.ts). */
export class Receiver {
  readonly name = crypto.randomUUID()
  readonly url = `${env.RECEIVER}/in/${this.name}`

  /** Sets its answers, the last one for ever; 204 by default. */
  async answers(...answers: Answering[]): Promise<void> {
    await fetch(`${env.RECEIVER}/answers/${this.name}`, {
      method: 'POST',
      body: JSON.stringify(answers),
    })
  }

  async arrived(): Promise<Arrived[]> {
    return (await fetch(`${env.RECEIVER}/received/${this.name}`)).json()
  }

  /** Waits until so many requests have arrived. */
  async until(count: number): Promise<Arrived[]> {
    // Polling ends, or a failed test would go on beside the next.
    for (const until = Date.now() + 40_000; ;) {
      const arrived = await this.arrived()
      if (arrived.length >= count) return arrived
      if (Date.now() > until) throw new Error(`${arrived.length} requests of ${count}`)
      await scheduler.wait(20)
    }
  }
}

/** A webhook's deliveries, newest first, after this many attempts in all. */
export async function attempted(team: Team, webhook: string, attempts: number): Promise<Json[]> {
  const path = `/webhooks/${webhook}/deliveries?size=1000`
  const { deliveries } = await eventually(
    () => team.get<{ deliveries: (Json & { attempts: Json[] })[] }>(path),
    ({ deliveries }) => deliveries.reduce((sum, one) => sum + one.attempts.length, 0) >= attempts,
  )
  return deliveries
}
