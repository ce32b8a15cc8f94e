import type { Resources } from '../resources.ts'
import { problemOfAddress } from './address.ts'
import { retryAfterOf } from './schedule.ts'
import type { Claimed, Outcome } from './outcomes.ts'
import { headersOf } from './sign.ts'

/** Milliseconds to wait for an answer (Standard Webhooks 1.0). */
const answerTimeout = 15_000

/** Whether a receiver has not answered, or not to the end, in all the time it has. */
export const isHung = ({ duration }: Pick<Outcome, 'duration'>) => duration >= answerTimeout

/** Bytes of a receiver's answer that are stored. */
const answerMost = 1024

export interface Receiver {
  id: string
  url: string
  secrets: string[]
}

/** Sends a delivery once, and gives what came of it. */
export async function send(
  res: Resources,
  { url, secrets }: Receiver,
  delivery: Claimed,
): Promise<Outcome> {
  const at = res.now()
  const outcome = (status: number | null, answer: string, retryAfter?: number): Outcome => ({
    ...delivery,
    at,
    status,
    duration: res.now() - at,
    answer,
    retryAfter,
  })
  const problem = problemOfAddress(url, res.webhookAddresses)
  if (problem !== undefined) return outcome(null, `The URL ${problem}`)
  try {
    const response = await res.fetch(url, {
      method: 'POST',
      headers: headersOf(delivery.id, delivery.body, secrets, at),
      body: delivery.body,
      redirect: 'manual',
      signal: AbortSignal.timeout(answerTimeout),
    })
    const retryAfter = retryAfterOf(response.headers.get('retry-after'), res.now())
    return outcome(response.status, await beginningOf(response), retryAfter)
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError'
    return outcome(
      null,
      late ? `No answer within ${answerTimeout / 1000} seconds` : 'No connection',
    )
  }
}

/** The first kilobyte of an answer, or what came of it before it broke off. */
async function beginningOf(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (let bytes = 0; bytes < answerMost;) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value.subarray(0, answerMost - bytes), { stream: true })
      bytes += value.length
    }
    await reader.cancel()
  } catch {
    // The status holds without the rest of the body.
  }
  return text.replaceAll('\0', '')
}
