import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import type { Message } from '../../src/messages.ts'
import type { Env } from '../../src/resources.ts'
import { refused } from './answers.ts'
import { Bank, type Json } from './api.ts'
import { callWith } from './door.ts'
import { Team } from './identity.ts'

export const dogs = { operator: 'exists', attribute: 'has_dog' }
export const cats = { operator: 'exists', attribute: 'has_cat' }

/** A team with two dog owners and a cat owner, an audience `coupon` of dogs, and a group. */
export async function opened() {
  const team = await Team.open()
  for (const id of ['ann', 'bob']) await team.user(id, { has_dog: true })
  await team.user('cid', { has_cat: true })
  await team.audience('coupon', dogs, { name: 'Coupon' })
  const bank = await Bank.open(undefined, team.workspace)
  return { team, bank, group: await bank.group('owls') }
}

export async function sync(team: Team, id = 'coupon'): Promise<Json> {
  const answer = await team.call('POST', `/audiences/${id}/sync`)
  expect(answer.status).toBe(202)
  return answer.json<Json>()
}
export const synced = async (team: Team, bank: Bank, id = 'coupon') =>
  bank.ended(String((await sync(team, id))['job_id']))

/** A queue that keeps what is sent until it is let go. */
export function held() {
  const kept: Message[] = []
  const queue = {
    send: async (message: Message) => void kept.push(message),
    sendBatch: async (messages: { body: Message }[]) =>
      void kept.push(...messages.map(({ body }) => body)),
  }
  const letGo = () => env.WORK.sendBatch(kept.splice(0).map((body) => ({ body })))
  const vars: Partial<Env> = { WORK: queue as unknown as Env['WORK'] } // only what `enqueue` calls is there
  return { vars, letGo }
}

export const syncWith = (vars: Partial<Env>, team: Team, id = 'coupon') =>
  callWith(vars, `/platform/workspaces/${team.workspace}/audiences/${id}/sync`, {
    method: 'POST',
    headers: { authorization: `Bearer ${team.token}` },
  })

/** The refusal of a file for a group that an audience fills. */
export const filledBy = (name: string, id: string) =>
  refused(
    `The group is filled by the audience ${name} (${id}): detach it before you upload.`,
    '2001',
  )

export const detach = (team: Team, id = 'coupon') =>
  team.call('DELETE', `/audiences/${id}/experience-group`)
