import { hc } from 'hono/client'
import type { App } from '../../src/api/app.ts'

/** The example of src/README, word by word, so that it compiles. */
export async function readMember(url: string, token: string, groupId: string) {
  const coterie = hc<App>(url, {
    headers: { authorization: `Bearer ${token}`, transactionId: crypto.randomUUID() },
  })
  const path = { groupId, participantId: 'ann' }
  const answer = await coterie.groups.v3.groups[':groupId'].participants[':participantId'].$get({
    param: path,
  })
  const { member, revision } = await answer.json()
  return { member, revision } satisfies { member: boolean; revision: number }
}
