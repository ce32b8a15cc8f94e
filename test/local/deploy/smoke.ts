import { setTimeout as sleep } from 'node:timers/promises'
import { getToken, Groups, registerClient } from '../api.ts'
import { send } from '../http.ts'

/** Of the smoke test alone. */
const workspace = 2_000_000_000
const patience = 120_000

/** Waits until the Worker answers: a new address takes a while. Throws where it does not. */
export async function healthy(url: string): Promise<void> {
  for (const until = Date.now() + patience; ; await sleep(1000))
    try {
      await send('The Worker', `${url}/health`, {})
      return
    } catch (error) {
      if (Date.now() > until) throw error
    }
}

/** One group from its first file to its end, by a client that is deleted too. Throws what went wrong. */
export async function smoke(url: string, adminToken: string): Promise<void> {
  const client = await registerClient(url, adminToken, 'smoke test', { workspace })
  try {
    const groups = new Groups(url, await getToken(url, client))
    const group = await groups.create(`Smoke test ${new Date().toISOString()}`)
    try {
      await inAndOut(groups, group)
    } finally {
      await groups.delete(group)
    }
  } finally {
    const headers = { Authorization: `Bearer ${adminToken}` }
    const address = `${url}/oauth/clients/${client.id}`
    await send('deleting the client', address, { method: 'DELETE', headers })
  }
}

async function inAndOut(groups: Groups, group: string): Promise<void> {
  const file = {
    type: 'ADD' as const,
    name: 'three.csv',
    content: [Buffer.from('ann\nbob\ncid\n')],
  }
  const { jobStatus, addedCount } = await groups.finished(await groups.upload(group, file), 500)
  if (jobStatus !== 'SUCCESSFUL' || addedCount !== 3)
    throw new Error(`The upload of three is ${jobStatus}, and has added ${addedCount}`)
  // From a replica, which may be a moment behind.
  for (const until = Date.now() + patience; !(await groups.isMember(group, 'ann'));)
    if (Date.now() > until) throw new Error('Who was added is not found')
    else await sleep(500)
}
