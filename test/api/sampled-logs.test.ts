import { beforeAll, describe, expect, it } from 'vitest'
import config from '../../wrangler.toml?raw'
import type { Env } from '../../src/resources.ts'
import { Bank, json } from '../support/api.ts'
import { callWith } from '../support/door.ts'
import { groupDoors, knock, ofrepDoors, workspaceDoors } from '../support/doors.ts'
import { logged } from '../support/log.ts'
import { settled } from '../support/settled.ts'

const { events, clear } = logged()

const lookups = [
  ...['/groups/v3', '/v3', '/digitalbanking/groups/v3'].flatMap((face) => [
    `GET ${face}/groups/:groupId/participants/:participantId`,
    `GET ${face}/participants/:participantId/groups`,
    `POST ${face}/memberships`,
  ]),
  'GET /platform/workspaces/:workspace_id/experiments/:experiment_id/assignments/:participant_id',
  'POST /platform/workspaces/:workspace_id/experiments/assignments',
  'POST /ofrep/v1/evaluate/flags/:key',
  'POST /ofrep/v1/evaluate/flags',
]

const share = (LOG_LOOKUPS: unknown) => ({ LOG_LOOKUPS }) as Partial<Env> // as text too

describe('of look-ups that succeed', () => {
  let bank: Bank
  beforeAll(async () => {
    bank = await Bank.open()
  })

  async function logOf(vars: Partial<Env>, requests: number): Promise<number> {
    clear()
    for (let i = 0; i < requests; i++) {
      const path = '/groups/v3/participants/ann/groups'
      expect((await callWith(vars, path, { headers: bank.headers() })).status).toBe(200)
    }
    return events('request').length
  }

  it.each([
    [0, 0],
    ['0', 0],
    [1, 10],
    ['1', 10],
    [undefined, 10],
  ])('with a share of %o, %o of ten are logged', async (given, count) => {
    expect(await logOf(share(given), 10)).toBe(count)
  })

  it('about as many are logged as the share says', async () => {
    const count = await logOf(share(0.25), 400)
    expect(count).toBeGreaterThan(50)
    expect(count).toBeLessThan(150)
  })

  it('those that have not changed are among them', async () => {
    const flags = (vars: Partial<Env>) =>
      callWith(vars, '/ofrep/v1/evaluate/flags', {
        ...json('POST', { context: { targetingKey: 'ann' } }),
        headers: { ...bank.headers(), 'if-none-match': '*' },
      })
    clear()
    for (const given of [0, 1]) expect((await flags(share(given))).status).toBe(304)
    expect(events('request')).toMatchObject([{ status: 304 }])
  })
})

it('every refusal, every error and every other request is logged', async () => {
  const { team, bank, ids } = await settled()
  const headers = { ...bank.headers(), authorization: `Bearer ${team.token}` }
  const to = (path: string, init?: RequestInit) => callWith(share(0), path, init)
  const doors = [...groupDoors, ...workspaceDoors, ...ofrepDoors]
  const unlogged: string[] = []
  for (const door of doors.filter(({ method }) => method !== 'DELETE')) {
    clear()
    await (await knock(door, { ...headers, authorization: 'Bearer x' }, ids, to)).body?.cancel()
    expect(events('request'), door.name).toMatchObject([{ status: 401 }])
    clear()
    await (await knock(door, headers, ids, to)).body?.cancel()
    if (events('request').length === 0) unlogged.push(door.name)
  }
  expect(unlogged.sort()).toEqual(lookups.sort())
})

it('Cloudflare logs no URL, and all lines of the Worker', () => {
  expect(config).toMatch(/\[observability\][^[]*head_sampling_rate = 1\n/)
  expect(config).toMatch(/\[observability\.logs\][^[]*invocation_logs = false\n/)
  expect(config).toMatch(/^LOG_LOOKUPS = 0\.01$/m)
})
