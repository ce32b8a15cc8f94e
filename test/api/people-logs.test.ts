import { env } from 'cloudflare:workers'
import { expect, it, vi } from 'vitest'
import { enqueue } from '../../src/jobs/enqueue.ts'
import type { Message } from '../../src/messages.ts'
import { resources } from '../../src/resources.ts'
import { lines } from '../support/api.ts'
import { consume } from '../support/bindings.ts'
import { callWith } from '../support/door.ts'
import { groupDoors, knock, ofrepDoors, workspaceDoors } from '../support/doors.ts'
import { tried, tryOut } from '../support/hooks.ts'
import { logged } from '../support/log.ts'
import { settled } from '../support/settled.ts'

const { events, lines: logLines } = logged()

const person = 'person-77'

const failing = () => env.DB.prepare('SELECT * FROM missing WHERE id = ?1')
/** Answers each query with an error. */
const broken = {
  prepare: failing,
  batch: () => env.DB.batch([failing().bind(person)]),
  withSession: () => broken,
} as unknown as D1Database // what `connect` calls
const silent = { send: () => Promise.reject(new Error('the queue is silent')) }

it('no line that is logged names a person', async () => {
  const { team, bank, ids } = await settled()
  const { workspace } = team
  await bank.apply(String(ids['groupId']), 'ADD', lines([person, `${person},bad`]))
  await team.user(person, { $address: person, has_dog: true, [person]: person })
  await team.recompute()
  await team.report({ user_identities: { customer_id: person }, environment: 'production' })

  const people = { ...ids, participantId: person, user_id: person, mpid: person }
  const headers = { ...bank.headers(), authorization: `Bearer ${team.token}` }
  const doors = [...groupDoors, ...workspaceDoors, ...ofrepDoors]
    .filter(({ method }) => method !== 'DELETE')
    .map((door) => ({ ...door, query: `${door.query ?? ''}&after=${person}` }))
  for (const door of doors)
    for (const DB of [env.DB, broken]) {
      const to = (path: string, init?: RequestInit) => callWith({ DB }, path, init)
      await (await knock(door, headers, people, to)).body?.cancel()
    }

  const prune: Message = { kind: 'prune', workspace, group: 1, after: person }
  const unknown = { kind: 'later', workspace, user: person } as unknown as Message // a later version's
  await consume('work', [prune, unknown], { ...env, DB: broken })
  const res = resources({ ...env, WORK: silent as unknown as Queue<Message> }) // what `enqueue` calls
  await enqueue(res, prune)

  const hook = { id: String(ids['webhook_id']) }
  await team.call('POST', `/webhooks/${hook.id}/enable`)
  await tryOut(team, hook)
  await tried(team, hook, 1)
  await vi.waitUntil(() => events('deliveries').length > 0)

  const failed = events('message-failed')
  expect(failed).toHaveLength(2)
  for (const facts of [{ kind: 'prune', group: 1 }, { kind: 'later' }])
    expect(failed).toContainEqual(expect.objectContaining({ ...facts, workspace, attempts: 1 }))
  expect(events('enqueue-failed')).toMatchObject([{ kind: 'prune', workspace, group: 1 }])
  expect(events('unhandled-error').length).toBeGreaterThan(20)
  expect(events('request').length).toBeGreaterThan(2 * doors.length)
  expect(logLines().filter((line) => line.includes(person))).toEqual([])
})
