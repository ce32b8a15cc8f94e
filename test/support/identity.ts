import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { call, eventually, hasEnded, json, newClient, tokenOf, type Json } from './api.ts'
import { tickEverywhere } from './bindings.ts'
import { allWritten } from './taken.ts'

/** All scopes of Group Identity. */
export const platformScopes: string[] = [...scopes]

/** A marketing team with a workspace of its own and a token. */
export class Team {
  readonly workspace: number
  readonly token: string
  readonly client: { id: string; secret: string }
  private constructor(workspace: number, token: string, client: { id: string; secret: string }) {
    this.workspace = workspace
    this.token = token
    this.client = client
  }

  static async open(scopes: string[] = platformScopes, workspace?: number): Promise<Team> {
    const client = await newClient(scopes, workspace)
    return new Team(client.workspace, await tokenOf(client), client)
  }

  call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = {
      authorization: `Bearer ${this.token}`,
      ...(init.headers as Record<string, string>),
    }
    return call(`/platform/workspaces/${this.workspace}${path}`, { ...init, method, headers })
  }

  send(method: string, path: string, body: unknown): Promise<Response> {
    return this.call(method, path, json(method, body))
  }

  async get<Shape = Json>(path: string): Promise<Shape> {
    const answer = await this.call('GET', path)
    expect(answer.status).toBe(200)
    return answer.json<Shape>()
  }

  async define(definition: Json): Promise<Json> {
    const answer = await this.send('POST', '/groups', definition)
    expect(answer.status).toBe(200)
    return answer.json<Json>()
  }

  async audience(id: string, rule: Json, more: Json = {}): Promise<Json> {
    const answer = await this.send('POST', '/audiences', { id, name: id, rule, ...more })
    expect(answer.status).toBe(200)
    return answer.json<Json>()
  }

  async attach(id: string, groupId: string): Promise<Json> {
    const answer = await this.send('PUT', `/audiences/${encodeURIComponent(id)}/experience-group`, {
      groupId,
    })
    expect(answer.status).toBe(200)
    return answer.json<Json>()
  }

  async user(id: string, attributes: Json): Promise<Json> {
    const answer = await this.send('PUT', `/users/${encodeURIComponent(id)}`, {
      user_attributes: attributes,
    })
    expect(answer.status).toBe(200)
    return answer.json<Json>()
  }

  profile(id: string): Promise<Json> {
    return this.get(`/users/${encodeURIComponent(id)}`)
  }

  /** Sends events, and waits until they are written. */
  async report(batch: unknown, path = '/v2/events'): Promise<Response> {
    const answer = await this.post(path, batch)
    await allWritten()
    return answer
  }

  /** Events with HTTP Basic, as a server SDK sends them. */
  post(path: string, batch: unknown): Promise<Response> {
    const init = json('POST', batch)
    const headers = { ...(init.headers as Record<string, string>), ...this.basic() }
    return call(path, { ...init, headers })
  }

  basic(): Record<string, string> {
    return { authorization: `Basic ${btoa(`${this.client.id}:${this.client.secret}`)}` }
  }

  /** Requests a run and waits until it has ended. */
  async recompute(definition = 'household'): Promise<Json> {
    const answer = await this.call('POST', `/groups/${definition}/recompute`)
    expect(answer.status).toBe(202)
    return this.ended(definition, String((await answer.json<Json>())['id']))
  }

  /** Erases a person, and waits until that is complete. */
  async erase(person: string): Promise<Json> {
    const answer = await this.call('DELETE', `/people/${encodeURIComponent(person)}`)
    expect(answer.status).toBe(202)
    return this.erased(String((await answer.json<Json>())['id']))
  }

  /** Waits until an erasure is complete. */
  erased(erasure: string): Promise<Json> {
    return eventually(() => this.get(`/erasures/${erasure}`), hasEnded)
  }

  ended(definition: string, run: string): Promise<Json> {
    return eventually(() => this.get(`/groups/${definition}/runs/${run}`), hasEnded)
  }

  /** Triggers a Monday's cron, and waits until the definition's run has ended. */
  async monday(at: number, definition = 'household'): Promise<Json> {
    const known = new Set(
      (await this.get<Json[]>(`/groups/${definition}/runs`)).map(({ id }) => id),
    )
    await cron('0 3 * * MON', at)
    const opened = (await this.get<Json[]>(`/groups/${definition}/runs`)).find(
      ({ id }) => !known.has(id),
    )
    if (opened === undefined) throw new Error('that Monday opened no run')
    return this.ended(definition, String(opened['id']))
  }
}

/** Has a cron come to the Worker, and done its work. */
export const cron = (expression: string, at: number): Promise<void> =>
  tickEverywhere(expression, env, at)

/** The Monday, 03:00 UTC, so many weeks from now. */
export function mondayIn(weeks: number): number {
  const now = new Date()
  const days = (8 - now.getUTCDay()) % 7 || 7
  return Date.UTC(
    now.getUTCFullYear(),
    now.getUTCMonth(),
    now.getUTCDate() + days + 7 * (weeks - 1),
    3,
  )
}

/** The definition of the document that the product comes from. */
export const household = {
  id: 'household',
  description: 'users who share the same physical address',
  source_user_attribute: '$address',
  attributes: [{ id: 'has_dog', type: 'boolean_or' }],
}
