import type { Context, Next } from 'hono'
import type { StatusCode } from 'hono/utils/http-status'
import { hashOf } from '../access/secret.ts'
import { faultOf, Failure } from '../failure.ts'
import { findKey, keepAnswer, type TakenKey } from '../idempotency/keys.ts'
import { seal, unseal } from '../idempotency/seal.ts'
import type { RequestKey } from '../resources.ts'
import type { EventData, EventType } from '../webhooks/event.ts'
import { afterAnswer, type Http } from './http.ts'
import { keyHeader, readKey, replayedHeader } from './idempotency-key.ts'

/** What a request has made: the data of its event, and that event's id. */
export type Made<Type extends EventType> = EventData[Type] & { event: string }

/** Answers for a request that has made something, but whose answer is lost. */
export type Again<Type extends EventType> = (
  c: Context<Http>,
  made: Made<Type>,
) => Response | Promise<Response>

/** What a request asks for. */
export interface Asked {
  /** Undefined until all of its body has come. */
  fingerprint: () => string | undefined
  /** Lets all of it come. */
  read: () => Promise<string>
}

interface How<Type extends EventType> {
  /** Where a form has it, and not the header. */
  key?: string | undefined
  again: Again<Type> | undefined
  ask: () => Promise<Asked>
}

/** A request with a key, whose text is stored nowhere. */
interface Keyed<Type extends EventType> extends Pick<How<Type>, 'again'> {
  c: Context<Http>
  key: RequestKey
  text: string
  asked: Asked
}

/** Answers a request by its handler, once for each key. */
export async function answerOnce<Type extends EventType>(
  c: Context<Http>,
  next: Next,
  { key: given = c.req.header(keyHeader), again, ask }: How<Type>,
): Promise<Response | void> {
  if (given === undefined) return next()
  const text = readKey(given)
  const { workspace = 0, caller } = c.var as Partial<Http['Variables']> // an administrator has neither
  const asked = await ask()
  const key = {
    ...{ workspace, client: caller?.client ?? '', hash: await hashOf(text) },
    request: crypto.randomUUID(),
    fingerprint: () => asked.fingerprint() ?? unread(),
  }
  const work = answer({ c, key, text, asked, again }, next)
  // Also where the client goes away, as nobody else could show a secret.
  afterAnswer(c)(work.then(nothing, nothing))
  return work
}

const nothing = () => undefined

function unread(): never {
  throw new Error('a request has made something before all of it came')
}

async function answer<Type extends EventType>(
  keyed: Keyed<Type>,
  next: Next,
): Promise<Response | void> {
  const { c, key, asked } = keyed
  const { res } = c.var
  const taken = await findKey(res, key)
  if (taken !== undefined) return repeat(keyed, taken, await asked.read())
  c.set('res', { ...res, key })
  await next()
  if (c.res.ok) return keep(keyed, c.res)
  // Its twin may have been first, or what it has made is there, and only the answer is lost.
  const fingerprint = asked.fingerprint()
  const first = fingerprint === undefined ? undefined : await findKey(res, key).catch(nothing)
  if (fingerprint === undefined || first === undefined) return
  c.res = undefined
  c.finalized = false
  return repeat(keyed, first, fingerprint)
}

async function repeat<Type extends EventType>(
  keyed: Keyed<Type>,
  taken: TakenKey,
  fingerprint: string,
): Promise<Response> {
  if (taken.fingerprint !== fingerprint) throw new Failure({ reason: 'key-reused' })
  const { answer, made, request } = await awaited(keyed, taken)
  const repeated = answer === null ? await showAgain(keyed, made) : await opened(keyed, answer)
  if (request !== keyed.key.request) repeated.headers.set(replayedHeader, 'true')
  return repeated
}

/** Milliseconds for which the answer of a request that goes on is waited for, and between two looks. */
const waitMost = 3000
const pause = 100

/** The key with its answer; without where that does not come soon. */
async function awaited<Type extends EventType>(
  { c, key }: Keyed<Type>,
  taken: TakenKey,
): Promise<TakenKey> {
  const { res } = c.var
  let latest = taken
  for (let waited = 0; latest.answer === null && waited < waitMost; waited += pause) {
    if (latest.request === key.request || res.now() >= latest.at + waitMost) break
    await scheduler.wait(pause)
    latest = (await findKey(res, key)) ?? latest
  }
  return latest
}

async function showAgain<Type extends EventType>(
  keyed: Keyed<Type>,
  made: TakenKey['made'],
): Promise<Response> {
  const { c, again } = keyed
  if (again === undefined || made === null)
    throw new Error('a request has made something that nothing shows again')
  const shown = await again(c, made as unknown as Made<Type>) // the batch of this route has written it
  await keep(keyed, shown)
  return shown
}

interface Kept {
  status: StatusCode
  headers: Record<string, string>
  body: string | null
}

/** Those that are about what was made; others are about a request. */
const keptHeaders = ['content-type', 'location', 'etag', 'upload-offset', 'upload-expires']

/** Throws nothing: what the request has made is there. */
async function keep<Type extends EventType>(
  { c, key, text }: Keyed<Type>,
  answer: Response,
): Promise<void> {
  const { res } = c.var
  try {
    const { headers } = answer
    const kept: Kept = {
      status: answer.status as StatusCode, // as handlers give it
      headers: Object.fromEntries(
        keptHeaders.flatMap((name) => {
          const value = headers.get(name)
          return value === null ? [] : [[name, value]]
        }),
      ),
      body: (await answer.clone().text()) || null,
    }
    await keepAnswer(res, key, await seal(res, key, text, JSON.stringify(kept)))
  } catch (error) {
    console.error(JSON.stringify({ event: 'answer-not-kept', ...faultOf(error) }))
  }
}

async function opened<Type extends EventType>(
  { c, key, text }: Keyed<Type>,
  sealed: string,
): Promise<Response> {
  const { body, ...rest } = JSON.parse(await unseal(c.var.res, key, text, sealed)) as Kept // as kept
  return c.newResponse(body, rest)
}
