import { randomUUID } from 'node:crypto'
import { scopes as all } from '../../src/access/scopes.ts'
import { answer, json } from './http.ts'
import { standing, watch } from './watch.ts'

export type UploadType = 'ADD' | 'REMOVE' | 'REPLACE'

export interface Upload {
  type: UploadType
  name: string
  /** Held before it goes live, with its exact effect. */
  mode?: 'apply' | 'preview'
  /** The file's bytes, read as they are sent. */
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface Job {
  jobId: string
  jobStatus:
    'CREATED' | 'PROCESSING' | 'HELD' | 'SUCCESSFUL' | 'PARTIAL_SUCCESS' | 'FAILED' | 'CANCELLED'
  jobDetails?: string
  progressPercent: number
  totalRecordsCount: number
  successRecordsCount: number
  failedRecordsCount: number
  addedCount: number
  removedCount: number
  unchangedCount: number
  /** Moves with every step of the job. */
  lastUpdatedDateTime: string
}

export interface JobError {
  lineNbr: number
  errorMsg: string
  /** The text that was refused. */
  value: string
}

export interface Client {
  id: string
  secret: string
  workspace: number
}

/** Registers a client with the installation's ADMIN_TOKEN; it may read and write all there is by default. */
export async function registerClient(
  url: string,
  adminToken: string,
  name: string,
  { workspace = 1, scopes = all }: { workspace?: number; scopes?: readonly string[] } = {},
): Promise<Client> {
  const draft = { workspace_id: workspace, name, scopes }
  const { headers, ...post } = json('POST', draft)
  const client = await answer<{ client_id: string; client_secret: string }>(
    'registering a client',
    `${url}/oauth/clients`,
    {
      ...post,
      headers: { ...headers, Authorization: `Bearer ${adminToken}` },
    },
  )
  return { id: client.client_id, secret: client.client_secret, workspace }
}

/** A bearer token for a client, good for eight hours. */
export async function getToken(url: string, client: Client): Promise<string> {
  const token = await answer<{ access_token: string }>('getting a token', `${url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: client.id,
      client_secret: client.secret,
    }),
  })
  return token.access_token
}

/** Experience Groups over HTTP, for whom a token speaks. Every call throws where the answer is not 200. */
export class Groups {
  readonly #url: string
  readonly #token: string

  constructor(url: string, token: string) {
    this.#url = `${url}/groups/v3`
    this.#token = token
  }

  /** Gives the new group's id. */
  async create(groupName: string): Promise<string> {
    return (await this.#call<{ groupId: string }>('/groups', json('POST', { groupName }))).groupId
  }

  async participantCount(groupId: string): Promise<number> {
    return (await this.#call<{ groupParticipantCount: number }>(`/groups/${groupId}`))
      .groupParticipantCount
  }

  async isMember(groupId: string, participantId: string): Promise<boolean> {
    const path = `/groups/${groupId}/participants/${participantId}`
    return (await this.#call<{ member: boolean }>(path)).member
  }

  /** Jobs that would remove a larger share of a group's members are held from now on. */
  async guard(groupId: string, maxRemovePercent: number): Promise<void> {
    await this.#call(`/groups/${groupId}`, json('PUT', { maxRemovePercent }))
  }

  async delete(groupId: string): Promise<void> {
    await this.#call(`/groups/${groupId}`, { method: 'DELETE' })
  }

  /** Uploads a file and returns its job's id; `sent` gets the number of bytes sent. */
  async upload(
    groupId: string,
    upload: Upload,
    sent: (bytes: number) => void = () => undefined,
  ): Promise<string> {
    const boundary = randomUUID()
    const { jobId } = await this.#call<{ jobId: string }>(`/groups/${groupId}/participants`, {
      method: 'PUT',
      headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
      body: ReadableStream.from(multipart(boundary, upload, sent)),
      duplex: 'half',
    })
    return jobId
  }

  async job(jobId: string): Promise<Job> {
    return this.#call(`/jobs/${jobId}`)
  }

  /**
   * Polls until the job has ended, or is held; `seen` gets each state. Throws where it does not move
   * for long.
   */
  async finished(
    jobId: string,
    every: number,
    seen: (job: Job) => void = () => undefined,
  ): Promise<Job> {
    const progress = (job: Job) => standing(job.jobStatus, job.lastUpdatedDateTime)
    return watch({ name: `Job ${jobId}`, read: () => this.job(jobId), progress }, every, seen)
  }

  /** Who joins or leaves by a held or the live job: the first page of them. */
  async changes(jobId: string, kind: 'added' | 'removed', size: number): Promise<string[]> {
    const path = `/jobs/${jobId}/changes?kind=${kind}&size=${size}`
    return (await this.#call<{ participants: string[] }>(path)).participants
  }

  async publish(jobId: string, expectedRemoved: number): Promise<Job> {
    return this.#call(`/jobs/${jobId}/publish`, json('POST', { expectedRemoved }))
  }

  async cancel(jobId: string): Promise<Job> {
    return this.#call(`/jobs/${jobId}/cancel`, { method: 'POST' })
  }

  /** Brings back the revision before the live one, and returns the id of the job that does it. */
  async revert(groupId: string): Promise<string> {
    return (await this.#call<{ jobId: string }>(`/groups/${groupId}/revert`, json('POST', {})))
      .jobId
  }

  /** The newest jobs of all groups. */
  async jobs(): Promise<(Job & { jobId: string })[]> {
    return (await this.#call<{ content: (Job & { jobId: string })[] }>('/jobs')).content
  }

  /** The rows of the file that were refused: the first page of them. */
  async errors(jobId: string): Promise<JobError[]> {
    return (await this.#call<{ content: JobError[] }>(`/jobs/${jobId}/errors`)).content
  }

  async #call<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = {
      ...init.headers,
      Authorization: `Bearer ${this.#token}`,
      transactionId: randomUUID(),
    }
    return answer(`${init.method ?? 'GET'} ${path}`, this.#url + path, { ...init, headers })
  }
}

async function* multipart(
  boundary: string,
  { type, name, mode = 'apply', content }: Upload,
  sent: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const fieldOf = (name: string, value: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  const file =
    `--${boundary}\r\nContent-Disposition: form-data; name="fileName"; filename="${name}"\r\n` +
    `Content-Type: text/csv\r\n\r\n`
  yield Buffer.from(fieldOf('type', type) + fieldOf('mode', mode) + file)
  let bytes = 0
  for await (const piece of content) {
    yield piece
    sent((bytes += piece.length))
  }
  yield Buffer.from(`\r\n--${boundary}--\r\n`)
}
