import { env, exports } from 'cloudflare:workers'
import { expect } from 'vitest'
import { databaseOf } from './databases.ts'

const origin = 'https://coterie.test'

/** Calls the real Worker. */
export const call = (path: string, init?: RequestInit): Promise<Response> =>
  exports.default.fetch(new Request(origin + path, init))

/** An answer, of whose shape nothing is taken for granted. */
export type Json = Record<string, unknown>

export const json = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

export const asAdmin = (init: RequestInit = {}): RequestInit => ({
  ...init,
  headers: {
    ...(init.headers as Record<string, string>),
    authorization: `Bearer ${env.ADMIN_TOKEN}`,
  },
})

/**
 * Asks until the answer is the one that is waited for. The pause is a real one: Worker and database
 * share a thread, which polling alone would fill.
 */
export async function eventually<Answer>(
  ask: () => Promise<Answer>,
  isIt: (answer: Answer) => boolean,
): Promise<Answer> {
  // Ends by itself, or a test that has failed goes on asking beside those after it.
  for (const until = Date.now() + 60_000; ; await scheduler.wait(20)) {
    const answer = await ask()
    if (isIt(answer)) return answer
    if (Date.now() > until) throw new Error(`after a minute still ${JSON.stringify(answer)}`)
  }
}

/** Whether a job, a run or a file of users goes on no more, as it is shown. */
export const hasEnded = ({ jobStatus, status = jobStatus }: Json): boolean =>
  !['CREATED', 'PROCESSING'].includes(String(status))

let workspaces = 0

export interface Client {
  workspace: number
  id: string
  secret: string
}

/** A client. Where no webhook listens, its event is none of the test's. */
export async function newClient(
  scopes = ['groups:read', 'groups:write'],
  workspace = ++workspaces,
  more: Json = {},
): Promise<Client> {
  const answer = await call(
    '/oauth/clients',
    asAdmin(json('POST', { workspace_id: workspace, name: 'tester', scopes, ...more })),
  )
  expect(answer.status).toBe(201)
  const { client_id, client_secret } = await answer.json<Record<string, string>>()
  const db = await databaseOf(workspace)
  await db
    .prepare(
      `DELETE FROM events WHERE workspace_id = ?1 AND type = 'client.created' AND object_kind = 'client'
      AND object_id = ?2 AND NOT EXISTS (SELECT 1 FROM webhooks WHERE workspace_id = ?1)`,
    )
    .bind(workspace, client_id)
    .run()
  return { workspace, id: String(client_id), secret: String(client_secret) }
}

export async function tokenOf({ id, secret }: Client, more: Json = {}): Promise<string> {
  const body = { grant_type: 'client_credentials', client_id: id, client_secret: secret, ...more }
  const { access_token } = await (await call('/oauth/token', json('POST', body))).json<Json>()
  return String(access_token)
}

/** A bank with a workspace of its own and a token. */
export class Bank {
  readonly workspace: number
  readonly token: string
  private constructor(workspace: number, token: string) {
    this.workspace = workspace
    this.token = token
  }

  static async open(scopes?: string[], workspace?: number): Promise<Bank> {
    const client = await newClient(scopes, workspace)
    return new Bank(client.workspace, await tokenOf(client))
  }

  /** A bank with a group of some participants: `file` has a line for each. */
  static async withGroup(name: string, file: string): Promise<{ bank: Bank; group: string }> {
    const bank = await Bank.open()
    const group = await bank.group(name)
    await bank.apply(group, 'ADD', file)
    return { bank, group }
  }

  headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}`, transactionId: crypto.randomUUID() }
  }

  call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return call(`/groups/v3${path}`, {
      ...init,
      method,
      headers: { ...this.headers(), ...(init.headers as Record<string, string>) },
    })
  }

  send(method: string, path: string, body: unknown): Promise<Response> {
    return this.call(method, path, json(method, body))
  }

  async get(path: string): Promise<Json> {
    const answer = await this.call('GET', path)
    expect(answer.status).toBe(200)
    return answer.json<Json>()
  }

  async group(name = `group ${crypto.randomUUID()}`): Promise<string> {
    const answer = await this.send('POST', '/groups', { groupName: name })
    expect(answer.status).toBe(200)
    return String((await answer.json<Json>())['groupId'])
  }

  async count(groupId: string): Promise<number> {
    return Number((await this.get(`/groups/${groupId}`))['groupParticipantCount'])
  }

  upload(
    groupId: string,
    type: string,
    file: string | Uint8Array<ArrayBuffer>,
    fileName = 'people.csv',
  ): Promise<Response> {
    const form = new FormData()
    form.set('type', type)
    form.set('fileName', new File([file], fileName, { type: 'text/csv' }))
    return this.call('PUT', `/groups/${groupId}/participants`, { body: form })
  }

  /** Uploads and waits until the job has ended. */
  async apply(
    groupId: string,
    type: string,
    file: string | Uint8Array<ArrayBuffer>,
  ): Promise<Json> {
    const answer = await this.upload(groupId, type, file)
    expect(answer.status).toBe(200)
    return this.ended(String((await answer.json<Json>())['jobId']))
  }

  /** Waits until the job has ended. */
  ended(jobId: string): Promise<Json> {
    return eventually(() => this.get(`/jobs/${jobId}`), hasEnded)
  }

  /** Who is in the group, as its live revision says. */
  async members(groupId: string): Promise<string[]> {
    return membersOf(this.workspace, groupId)
  }
}

export async function membersOf(workspace: number, groupId: string): Promise<string[]> {
  const db = await databaseOf(workspace)
  const { results } = await db
    .prepare(
      `SELECT participant_id AS id FROM members JOIN experience_groups AS g ON g.key = group_key
     WHERE g.workspace_id = ?1 AND members.workspace_id = ?1 AND g.id = ?2 AND g.deleted_at IS NULL
       AND added_rev <= revision AND (removed_rev IS NULL OR removed_rev > revision) ORDER BY participant_id`,
    )
    .bind(workspace, groupId)
    .all<{ id: string }>()
  return results.map(({ id }) => id)
}

export const lines = (ids: string[]) => ids.map((id) => `${id}\n`).join('')
