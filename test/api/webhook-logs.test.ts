import { expect, it, vi } from 'vitest'
import { said } from '../support/answers.ts'
import { elapse, hook, openedHooks, tried, tryOut } from '../support/hooks.ts'
import { logged } from '../support/log.ts'

const { events, lines: logLines } = logged()

it('the log counts attempts, and holds no secret, signature, URL or body', async () => {
  const { team, bank } = await openedHooks()
  const one = await hook(team, { description: 'description-77' })
  await one.receiver.answers({ status: 500, body: 'answer-77' }, {})
  await bank.group('name-77')
  await tried(team, one, 1)
  const { secret } = await said(team.call('POST', `/webhooks/${one.id}/rotate`))
  await elapse(one)
  await tried(team, one, 2)
  await team.send('PUT', `/webhooks/${one.id}`, { url: `${one.receiver.url}?key=password-77` })
  await tryOut(team, one)
  await tried(team, one, 3)
  await team.send('PUT', `/webhooks/${one.id}`, { url: 'http://127.0.0.1:9/password-77' })
  await tryOut(team, one)
  await tried(team, one, 4)
  await team.send('POST', '/webhooks', { url: 'https://ann:password-77@hooks.example.com/' })
  // Other files of the same worker may have a webhook under way.
  const own = () => events('deliveries').filter(({ webhook }) => webhook === one.id)
  await vi.waitUntil(() => own().length >= 4)

  expect(own()).toMatchObject(
    [0, 1, 1, 0].map((delivered) => ({
      workspace: team.workspace,
      webhook: one.id,
      attempts: 1,
      delivered,
      left: 0,
    })),
  )
  expect(events('request').length).toBeGreaterThan(10)
  const signatures = (await one.receiver.arrived()).flatMap(({ headers }) =>
    String(headers['webhook-signature']).split(' '),
  )
  expect(signatures).toHaveLength(5)
  const secrets = [one.secret, String(secret), ...signatures].map((text) =>
    text.replace(/^(whsec_|v1,)/, ''),
  )
  for (const word of [
    ...secrets,
    'whsec_',
    'v1,',
    one.receiver.name,
    'password-77',
    'description-77',
    'answer-77',
    'name-77',
  ])
    for (const line of logLines()) expect(line).not.toContain(word)
})
