import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { vi } from 'vitest'
import worker from '../../src/index.ts'
import { newClient, tokenOf, type Json } from './api.ts'
import { hazardous } from './hazard.ts'

// The Worker by its own doors, on bindings that may fail, at a time of its own.

/** What a request is answered of which a call has failed. */
export const lost = 500

export interface Person {
  name: string
  client: string
  token: string
  workspace: number
}

export interface Answer {
  status: number
  text: string
  headers: Headers
  replayed: boolean
  /** Somebody else was first, or it may not be. */
  isRefused: boolean
}

export const bodyOf = ({ text }: Answer): Json => JSON.parse(text) as Json // every answer but of tus

const scopes = ['groups:read', 'groups:write', 'audit:read']

async function person(name: string, workspace?: number): Promise<Person> {
  const client = await newClient(scopes, workspace, { name })
  return { name, client: client.id, token: await tokenOf(client), workspace: client.workspace }
}

/** People of two workspaces, and the Worker whose calls may fail. */
export async function safetyCalls() {
  const ann = await person('ann')
  const people = { ann, bob: await person('bob', ann.workspace), eve: await person('eve') }
  const hazard = hazardous({ JOBS_WAITING_MAX: 1000, JOBS_UNENDED_MAX: 1000 })
  let now = Date.now()
  const pass = (ms: number) => void vi.setSystemTime((now += ms))

  const call = async (
    { token }: Person,
    [method, path]: [method: string, path: string],
    { headers, ...init }: RequestInit = {},
  ): Promise<Answer> => {
    const all = {
      authorization: `Bearer ${token}`,
      transactionId: crypto.randomUUID(),
      ...(headers as Record<string, string>), // as these files write them
    }
    const context = createExecutionContext()
    const request = new Request(`https://coterie.test${path}`, { method, headers: all, ...init })
    const answer = await worker.fetch(request, hazard.bound, context)
    const text = await answer.text()
    await waitOnExecutionContext(context)
    const { status } = answer
    return {
      ...{ status, text, headers: answer.headers },
      replayed: answer.headers.get('idempotency-replayed') === 'true',
      isRefused: status >= 400 && status < 500,
    }
  }
  const get = async (by: Person, path: string): Promise<Json> => {
    const answer = await call(by, ['GET', path])
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.text}`)
    return bodyOf(answer)
  }
  /** Does something while nobody waits in vain for what has died: its time is over soon. */
  const impatiently = async (what: () => Promise<unknown>): Promise<void> => {
    const timer = setTimeout(() => pass(4000), 300)
    await what()
    clearTimeout(timer)
  }
  return { ...hazard, people, call, get, pass, impatiently }
}

export type Calls = Awaited<ReturnType<typeof safetyCalls>>
