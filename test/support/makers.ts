import { env } from 'cloudflare:workers'
import type { Env } from '../../src/resources.ts'
import type { EventType } from '../../src/webhooks/event.ts'
import { asAdmin, json } from './api.ts'
import { homeDb } from './databases.ts'
import { callWith } from './door.ts'
import { halves } from './experiments.ts'
import { household } from './identity.ts'
import { settled } from './settled.ts'

// Every operation that makes something, and takes an Idempotency-Key for it.

export type Stage = Awaited<ReturnType<typeof settled>>

/** A request of its own for each number. */
export interface Maker {
  makes: EventType
  request: (stage: Stage, n: number) => [path: string, init: RequestInit]
  /** What it answers is shown once: a lost answer is not made again. */
  secret?: true
  /** It may also find what it would make. */
  finds?: true
}

const form = (n: number): FormData => {
  const form = new FormData()
  form.set('type', 'ADD')
  form.set('fileName', new File([`ann\nbob-${n}\n`], 'people.csv', { type: 'text/csv' }))
  return form
}

const csv = (body: string): RequestInit => ({ body, headers: { 'content-type': 'text/csv' } })

const post = (body: unknown = undefined): RequestInit =>
  body === undefined ? { method: 'POST' } : json('POST', body)

const inWorkspace =
  (path: (ids: Record<string, string>) => string, init: (n: number) => RequestInit) =>
  ({ team, ids }: Stage, n: number): [string, RequestInit] => [
    `/platform/workspaces/${team.workspace}${path(ids)}`,
    withHeaders(init(n), { authorization: `Bearer ${team.token}` }),
  ]

const inBank =
  (path: (ids: Record<string, string>) => string, init: (n: number) => RequestInit) =>
  ({ bank, ids }: Stage, n: number): [string, RequestInit] => [
    `/groups/v3${path(ids)}`,
    withHeaders(init(n), bank.headers()),
  ]

const ofAdmin =
  (path: (ids: Record<string, string>) => string, body: (stage: Stage, n: number) => unknown) =>
  (stage: Stage, n: number): [string, RequestInit] => [
    `/oauth/clients${path(stage.ids)}`,
    asAdmin(post(body(stage, n))),
  ]

const withHeaders = (init: RequestInit, headers: Record<string, string>): RequestInit => ({
  ...init,
  headers: { ...(init.headers as Record<string, string>), ...headers }, // as this file writes them
})

const rule = { operator: 'equals', attribute: 'has_dog', value: true }
const hook = (n: number) => ({ url: `${env.RECEIVER}/in/made-${n}` })

const untilOf = (n: number) => new Date(Date.UTC(2027, 0, 1) + n).toISOString()

export const makers: Record<string, Maker> = {
  'a group': {
    makes: 'group.created',
    request: inBank(
      () => '/groups',
      (n) => post({ groupName: `made ${n}` }),
    ),
  },
  'the job of a file of participants': {
    makes: 'job.created',
    request: inBank(
      ({ groupId = '' }) => `/groups/${groupId}/participants`,
      (n) => ({ method: 'PUT', body: form(n) }),
    ),
  },
  'a revert': {
    makes: 'job.created',
    request: inBank(
      ({ groupId = '' }) => `/groups/${groupId}/revert`,
      (n) => post({ mode: 'preview', maxRemovePercent: n % 101 }),
    ),
  },
  'the job of a file of users': {
    makes: 'job.created',
    request: inWorkspace(
      () => '/users',
      (n) => ({ ...csv(`user_id,team\nann,red-${n}\n`), method: 'PUT' }),
    ),
  },
  'a definition': {
    makes: 'definition.created',
    request: inWorkspace(
      () => '/groups',
      (n) => post({ ...household, id: `made-${n}` }),
    ),
  },
  'a run': {
    makes: 'recompute.requested',
    request: inWorkspace(
      () => '/groups/household/recompute',
      () => post(),
    ),
    finds: true,
  },
  'a merge': {
    makes: 'household.merged',
    request: inWorkspace(
      () => '/groups/household/merge',
      (n) => post({ value: '123 Main St', into: `${n} Oak Ave` }),
    ),
  },
  'a split': {
    makes: 'household.split',
    request: inWorkspace(
      () => '/groups/household/split',
      (n) => post({ value: '123 Main St', into: `${n} Oak Ave`, users: ['1'] }),
    ),
  },
  'an audience': {
    makes: 'audience.created',
    request: inWorkspace(
      () => '/audiences',
      (n) => post({ name: `made ${n}`, rule }),
    ),
  },
  'a sync': {
    makes: 'sync.requested',
    request: inWorkspace(
      () => '/audiences/coupon/sync',
      () => post(),
    ),
  },
  'an experiment': {
    makes: 'experiment.created',
    request: inWorkspace(
      () => '/experiments',
      (n) => post({ id: `made-${n}`, name: 'made', variants: halves }),
    ),
  },
  'a webhook': {
    makes: 'webhook.created',
    request: inWorkspace(
      () => '/webhooks',
      (n) => post(hook(n)),
    ),
    secret: true,
  },
  "a webhook's secret": {
    makes: 'webhook.rotated',
    request: inWorkspace(
      ({ webhook_id = '' }) => `/webhooks/${webhook_id}/rotate`,
      () => post(),
    ),
    secret: true,
  },
  'a test event': {
    makes: 'webhook.test',
    request: inWorkspace(
      ({ webhook_id = '' }) => `/webhooks/${webhook_id}/test`,
      () => post(),
    ),
  },
  'a replay': {
    makes: 'webhook.replayed',
    request: inWorkspace(
      ({ webhook_id = '' }) => `/webhooks/${webhook_id}/replay`,
      (n) => post({ since: '2026-11-24T03:00:00Z', until: untilOf(n), only: 'all' }),
    ),
  },
  'a retry': {
    makes: 'delivery.retried',
    request: inWorkspace(
      ({ webhook_id = '', delivery_id = '' }) =>
        `/webhooks/${webhook_id}/deliveries/${delivery_id}/retry`,
      () => post(),
    ),
  },
  'an erasure': {
    makes: 'erasure.requested',
    request: inWorkspace(
      () => '/erasures',
      (n) => ({ ...csv(`nobody-${n}\n`), method: 'POST' }),
    ),
  },
  'a client': {
    makes: 'client.created',
    request: ofAdmin(
      () => '',
      ({ team }, n) => ({
        ...{ workspace_id: team.workspace, name: `made ${n}`, scopes: ['groups:read'] },
      }),
    ),
    secret: true,
  },
  "a client's secret": {
    makes: 'client.rotated',
    request: ofAdmin(
      ({ client_id = '' }) => `/${client_id}/rotate`,
      () => undefined,
    ),
    secret: true,
  },
}

/** Room for as many as a test makes. */
const room: Partial<Env> = {
  ...{ DEFINITIONS_MAX: 1000, AUDIENCES_MAX: 1000, WEBHOOKS_MAX: 1000, EXPERIMENTS_MAX: 1000 },
  ...{ JOBS_WAITING_MAX: 1000, JOBS_UNENDED_MAX: 1000 },
}

/** Sends the request of a number with a key. */
export function make(
  { request }: Maker,
  stage: Stage,
  { n, key }: { n: number; key: string },
  vars: Partial<Env> = {},
): Promise<Response> {
  const [path, init] = request(stage, n)
  return callWith({ ...room, ...vars }, path, withHeaders(init, { 'idempotency-key': key }))
}

/** How many events of what it makes its workspace has. */
export async function countMade({ makes }: Maker, { team }: Stage): Promise<number> {
  const query = 'SELECT count(*) AS n FROM events WHERE workspace_id = ? AND type = ?'
  const found = await homeDb.prepare(query).bind(team.workspace, makes).first<{ n: number }>()
  return found?.n ?? 0
}
