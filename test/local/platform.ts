import type { SharedAttribute } from '../../src/db/schema.ts'
import type { Client } from './api.ts'
import { answer, json, send } from './http.ts'
import { standing, watch } from './watch.ts'

export interface Definition {
  id: string
  description: string
  source_user_attribute: string
  attributes: SharedAttribute[]
}

export interface Run {
  id: string
  status: 'CREATED' | 'PROCESSING' | 'SUCCESSFUL' | 'FAILED' | 'CANCELLED'
  week: string | null
  progress_percent: number
  users_seated: number
  users_over_limit: number
  groups: number
  rows_changed: number
  cursor: string | null
}

export interface Import {
  id: string
  status: 'CREATED' | 'PROCESSING' | 'SUCCESSFUL' | 'PARTIAL_SUCCESS' | 'FAILED' | 'CANCELLED'
  users_created: number
  attributes_changed: number
  last_modified_on: string
}

export type Attributes = Record<string, string | number | boolean>

/** What is said of a user. */
export interface Report {
  user: string
  attributes: Attributes
}

export interface Profile {
  user_attributes: Attributes
  groups: { definition: string; value: string | null; correction?: { with?: string } }[]
}

export interface Explanation {
  attribute: string
  definition: string
  source_user_attribute: string
  group_value: string
  function: string
  value: string | number | boolean
  contributions: { user_id: string; value: string | number | boolean | null; counts: boolean }[]
}

export interface Audience {
  id: string
  name: string
  rule: object
  refresh: 'on_demand' | 'weekly' | 'daily'
}

export interface Experiment {
  id: string
  name: string
  group_id: string
  variants: { id: string; weight: number; value: string }[]
  traffic: number
}

export interface Balance {
  status: 'waiting' | 'counting' | 'complete'
  members: number
  variants: { id: string; expected: number; observed: number }[]
  p: number | null
  srm: boolean
}

/** The limit of `POST /v2/bulkevents`; a hundred of ours stay far below 256 KB. */
const batchesMost = 100

/** Group Identity over HTTP; every call throws unless it succeeds. */
export class Platform {
  readonly #url: string
  readonly #client: Client
  readonly #token: string

  constructor(url: string, client: Client, token: string) {
    this.#url = url
    this.#client = client
    this.#token = token
  }

  async define(definition: Definition): Promise<Definition> {
    return this.#call('/groups', json('POST', definition))
  }

  /** Has the groups of a definition follow each change, and those of now form at once. */
  async makeContinuous(definition: string): Promise<void> {
    await this.#call(`/groups/${definition}`, json('PUT', { refresh: 'continuous' }))
  }

  /** Says with whom a user belongs, whatever the attribute says. */
  async putWith(definition: string, user: string, other: string, reason: string): Promise<void> {
    const path = `/groups/${definition}/corrections/${encodeURIComponent(user)}`
    await this.#call(path, json('PUT', { with: other, reason }))
  }

  /**
   * Sends reports as a server SDK does, a hundred at a time, and waits until all are written;
   * `taken` gets how many are in.
   */
  async report(reports: Report[], taken: (count: number) => void = () => undefined): Promise<void> {
    const credentials = Buffer.from(
      `${encodeURIComponent(this.#client.id)}:${encodeURIComponent(this.#client.secret)}`,
    ).toString('base64')
    for (let from = 0; from < reports.length; from += batchesMost) {
      const some = reports.slice(from, from + batchesMost)
      const { headers, ...post } = json('POST', some.map(batchOf))
      const init = { ...post, headers: { ...headers, Authorization: `Basic ${credentials}` } }
      await send('POST /v2/bulkevents', `${this.#url}/v2/bulkevents`, init)
      taken(from + some.length)
    }
    // Those of a request are written together.
    for (let to = 0; to < reports.length;) {
      to = Math.min(to + batchesMost, reports.length)
      const last = reports[to - 1]
      if (last !== undefined) await this.#written(last)
    }
  }

  /** Polls until a user has what was reported. */
  async #written({ user, attributes }: Report): Promise<void> {
    const read = async () =>
      (await this.profile(user).catch(() => undefined))?.user_attributes ?? {}
    const progress = (known: Attributes) => ({
      ended: Object.entries(attributes).every(([name, value]) => known[name] === value),
      step: '',
    })
    await watch({ name: `The report of ${user}`, read, progress }, 100, () => undefined)
  }

  async profile(user: string): Promise<Profile> {
    return this.#call(`/users/${encodeURIComponent(user)}`)
  }

  /** Merges attributes into a user's. */
  async merge({ user, attributes }: Report): Promise<Profile> {
    return this.#call(
      `/users/${encodeURIComponent(user)}`,
      json('PATCH', { user_attributes: attributes }),
    )
  }

  async explain(user: string, attribute: string): Promise<Explanation> {
    return this.#call(
      `/users/${encodeURIComponent(user)}/attributes/${encodeURIComponent(attribute)}/explain`,
    )
  }

  /** The last hundred runs of a definition, newest first. */
  async runs(definition: string): Promise<Run[]> {
    return this.#call(`/groups/${definition}/runs`)
  }

  async recompute(definition: string): Promise<Run> {
    return this.#call(`/groups/${definition}/recompute`, { method: 'POST' })
  }

  /**
   * Polls until the run has ended; `seen` gets each state. Throws where it does not move for long.
   */
  async finished(
    definition: string,
    id: string,
    every: number,
    seen: (run: Run) => void = () => undefined,
  ): Promise<Run> {
    const progress = ({ status, progress_percent, cursor }: Run) =>
      standing(status, `${progress_percent} %, ${cursor}`)
    return watch(
      { name: `Run ${id}`, read: () => this.#call(`/groups/${definition}/runs/${id}`), progress },
      every,
      seen,
    )
  }

  /** Sends a file of users and gives its job's id. */
  async sendUsers(content: AsyncIterable<Uint8Array>): Promise<string> {
    const init = {
      method: 'PUT',
      headers: { 'Content-Type': 'text/csv' },
      body: ReadableStream.from(content),
      duplex: 'half' as const,
    }
    return (await this.#call<Import>('/users', init)).id
  }

  /** The files of users, newest first. */
  async imports(): Promise<Import[]> {
    return (await this.#call<{ imports: Import[] }>('/imports')).imports
  }

  /** Polls until the file's job has ended. Throws where it does not move for long. */
  async imported(
    id: string,
    every: number,
    seen: (job: Import) => void = () => undefined,
  ): Promise<Import> {
    const progress = (job: Import) => standing(job.status, job.last_modified_on)
    return watch(
      { name: `Import ${id}`, read: () => this.#call<Import>(`/imports/${id}`), progress },
      every,
      seen,
    )
  }

  async createAudience(audience: Audience): Promise<Audience> {
    return this.#call('/audiences', json('POST', audience))
  }

  async countAudience(id: string): Promise<number> {
    return (await this.#call<{ count: number }>(`/audiences/${id}/count`)).count
  }

  async audienceMember(id: string, user: string): Promise<{ member: boolean; explain: object }> {
    return this.#call(`/audiences/${id}/users/${encodeURIComponent(user)}`)
  }

  /** Names the experience group that an audience fills. */
  async attach(audience: string, groupId: string): Promise<void> {
    await this.#call(`/audiences/${audience}/experience-group`, json('PUT', { groupId }))
  }

  /** Has an audience fill its group, and gives the id of the group's job. */
  async sync(audience: string): Promise<string> {
    return (await this.#call<{ job_id: string }>(`/audiences/${audience}/sync`, { method: 'POST' }))
      .job_id
  }

  async createExperiment(experiment: Experiment): Promise<void> {
    await this.#call('/experiments', json('POST', experiment))
  }

  async startExperiment(id: string): Promise<void> {
    await this.#call(`/experiments/${id}/start`, { method: 'POST' })
  }

  async changeExperiment(id: string, change: Partial<Experiment>): Promise<void> {
    await this.#call(`/experiments/${id}`, json('PUT', change))
  }

  /** Has the members of the group counted anew. */
  async requestBalance(id: string): Promise<void> {
    await this.#call(`/experiments/${id}/balance`, { method: 'POST' })
  }

  /** Polls until all members of the group are counted. */
  async balance(id: string): Promise<Balance> {
    const read = () => this.#call<Balance>(`/experiments/${id}/balance`)
    const progress = ({ status }: Balance) => ({ ended: status === 'complete', step: status })
    return watch({ name: `The balance of ${id}`, read, progress }, 50, () => undefined)
  }

  /** Subscribes a URL to events of a type, and returns the secret. */
  async openWebhook(url: string, type: string): Promise<string> {
    return (
      await this.#call<{ secret: string }>('/webhooks', json('POST', { url, event_types: [type] }))
    ).secret
  }

  async #call<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
    const url = `${this.#url}/platform/workspaces/${this.#client.workspace}${path}`
    return answer(`${init.method ?? 'GET'} ${path}`, url, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${this.#token}` },
    })
  }
}

export const batchOf = ({ user, attributes }: Report) => ({
  environment: 'production',
  user_identities: { customer_id: user },
  user_attributes: attributes,
})
