import { expect } from 'vitest'
import type { ExperimentChange } from '../../src/experiments/change.ts'
import { createExperiment } from '../../src/experiments/create.ts'
import { setStatus } from '../../src/experiments/status.ts'
import type { Resources } from '../../src/resources.ts'
import { Bank, lines, type Json } from './api.ts'
import { Team } from './identity.ts'

/** Two variants of equal weight. */
export const halves = [
  { id: 'control', weight: 5000 },
  { id: 'treatment', weight: 5000 },
]

/** A workspace whose experiments are made and read at the front door. */
export class Lab {
  readonly team: Team
  readonly bank: Bank
  private constructor(team: Team, bank: Bank) {
    this.team = team
    this.bank = bank
  }

  static async open(scopes?: string[]): Promise<Lab> {
    const team = await Team.open(scopes)
    return new Lab(team, await Bank.open(undefined, team.workspace))
  }

  /** A group of these members, by an upload. */
  async group(members: string[], name?: string): Promise<string> {
    const group = await this.bank.group(name)
    if (members.length > 0) await this.bank.apply(group, 'ADD', lines(members))
    return group
  }

  /** A draft of two equal variants, unless `more` says otherwise. */
  async draft(id: string, more: Json = {}): Promise<Json> {
    return this.done('POST', '', { id, name: id, variants: halves, ...more })
  }

  /** The same, started. */
  async running(id: string, more: Json = {}): Promise<Json> {
    await this.draft(id, more)
    return this.done('POST', `/${id}/start`)
  }

  get(id: string): Promise<Json> {
    return this.team.get(`/experiments/${id}`)
  }

  change(id: string, body: Json): Promise<Json> {
    return this.done('PUT', `/${id}`, body)
  }

  start(id: string): Promise<Json> {
    return this.done('POST', `/${id}/start`)
  }

  pause(id: string): Promise<Json> {
    return this.done('POST', `/${id}/pause`)
  }

  end(id: string): Promise<Json> {
    return this.done('POST', `/${id}/end`)
  }

  /** A request below `/experiments`. */
  send(method: string, path: string, body?: unknown): Promise<Response> {
    const at = `/experiments${path}`
    return body === undefined ? this.team.call(method, at) : this.team.send(method, at, body)
  }

  private async done(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.send(method, path, body)
    const text = await answer.text()
    expect([answer.status, text]).toEqual([200, text])
    return JSON.parse(text) as Json
  }
}

/** A draft by the rooms alone, in a workspace that may have no client. */
export const drafted = (
  res: Resources,
  workspace: number,
  id: string,
  more: ExperimentChange = {},
) =>
  createExperiment(res, workspace, id, {
    ...{ change: { name: id, variants: halves, ...more }, by: 'tester' },
    mayReadUsers: true,
  })

export const turned = (
  res: Resources,
  workspace: number,
  id: string,
  to: 'running' | 'paused' | 'ended' = 'running',
) => setStatus(res, workspace, id, { to, by: 'tester' })
