import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { said } from '../support/answers.ts'
import { callWith } from '../support/door.ts'
import { eventsOf, hook, hookScopes, writeEvents, type Hook } from '../support/hooks.ts'
import { Team } from '../support/identity.ts'

const silent = { send: async () => undefined, sendBatch: async () => undefined }
// Only what `enqueueDeliveries` calls is there: nothing is sent.
const vars = { DELIVERIES: silent as unknown as typeof env.DELIVERIES }

const tryOut = (team: Team, { id }: Hook) =>
  callWith(vars, `/platform/workspaces/${team.workspace}/webhooks/${id}/test`, {
    method: 'POST',
    headers: { authorization: `Bearer ${team.token}` },
  })

it('a workspace sends sixty test events an hour, also at once', async () => {
  const team = await Team.open(hookScopes)
  const [one, two] = [await hook(team), await hook(team)]
  const answers = await Promise.all(
    Array.from({ length: 70 }, (_, i) => tryOut(team, i % 2 === 0 ? one : two)),
  )
  const statuses = answers.map(({ status }) => status)
  expect(statuses.filter((status) => status === 202)).toHaveLength(60)
  expect(statuses.filter((status) => status === 429)).toHaveLength(10)
  expect(await eventsOf(team, '?size=1000')).toHaveLength(60)

  await writeEvents(team.workspace, 100)
  const refused = await tryOut(team, one)
  expect(refused.headers.get('retry-after')).toBe('3600')
  expect(await said(refused)).toEqual({
    status: 429,
    errors: [{ message: 'No more than 60 requests in 3600 seconds' }],
  })
  const other = await Team.open(hookScopes)
  expect((await tryOut(other, await hook(other))).status).toBe(202)

  const hour = 3_600_000
  await env.DB.prepare('UPDATE events SET at = at - ? WHERE workspace_id = ?')
    .bind(hour, team.workspace)
    .run()
  expect((await tryOut(team, two)).status).toBe(202)
})
