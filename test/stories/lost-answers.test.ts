import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { receiveUpload } from '../../src/experience/upload.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import type { Message } from '../../src/messages.ts'
import { Bank } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { fileParts, hazardous, parts, unlessCrash } from '../support/hazard.ts'

const receivers = {
  'a file of participants': async (hazard: ReturnType<typeof hazardous>) => {
    const bank = await Bank.open()
    const group = await bank.group()
    const upload = { createdBy: 'tester', parts: parts('ADD', 'ann\n') }
    return {
      workspace: bank.workspace,
      receive: () => receiveUpload(hazard.res, bank.workspace, group, upload),
    }
  },
  'a file of users': async (hazard: ReturnType<typeof hazardous>) => {
    const { workspace } = await Bank.open()
    const file = fileParts('user_id,team\nann,red\n')
    return { workspace, receive: () => receiveUsers(hazard.res, workspace, 'tester', file) }
  },
}

interface Left {
  jobs: { key: number; file: string }[]
  files: string[]
}

async function leftIn(workspace: number): Promise<Left> {
  const { results } = await homeDb
    .prepare('SELECT key, file_key AS file FROM jobs WHERE workspace_id = ?')
    .bind(workspace)
    .all<{ key: number; file: string }>()
  const { objects } = await env.FILES.list({ prefix: `uploads/${workspace}/` })
  return { jobs: results, files: objects.map(({ key }) => key) }
}

const jobsOf = (messages: Message[]) =>
  messages.flatMap((message) => ('job' in message ? [message.job] : []))

it.each(['before', 'after'] as const)(
  'a two-part file leaves nothing if storage fails %s a call',
  async (when) => {
    const content = 'ann\n'.repeat(2 ** 21 + 1)
    let died = 0
    for (let at = 0; at < 5; at++) {
      const { res, fuse } = hazardous()
      const bank = await Bank.open()
      const group = await bank.group()
      fuse({ of: 'files', at, when })
      const upload = { createdBy: 'tester', parts: parts('ADD', content) }
      const received = await receiveUpload(res, bank.workspace, group, upload).catch(unlessCrash)
      const { jobs, files } = await leftIn(bank.workspace)
      if (received === undefined) died++
      expect({ jobs: jobs.length, files: files.length }).toEqual(
        received === undefined ? { jobs: 0, files: 0 } : { jobs: 1, files: 1 },
      )
    }
    // Begun, two parts, completed.
    expect(died).toBe(4)
  },
)

describe.each(Object.entries(receivers))('%s', (_, open) => {
  it.each(
    ([undefined, 'files', 'queues'] as const).flatMap((of) => [
      { of, when: 'before' as const },
      { of, when: 'after' as const },
    ]),
  )('leaves file and job, or nothing: $of fail $when a call', async ({ of, when }) => {
    let died = 0
    for (let at = 0; at < 6; at++) {
      const hazard = hazardous()
      const { workspace, receive } = await open(hazard)
      hazard.fuse({ at, when, ...(of === undefined ? {} : { of }) })
      const received = await receive().catch(unlessCrash)
      const { jobs, files } = await leftIn(workspace)
      expect(files).toEqual(jobs.map(({ file }) => file))
      expect(jobs.map(({ key }) => key)).toEqual(received === undefined ? [] : [received.key])
      if (received === undefined) died++
      // A message that is lost is sent by a cron.
      else if (of !== 'queues') expect(jobsOf(hazard.enqueued)).toEqual([received.key])
    }
    expect(died > 0).toBe(of !== 'queues')
  })

  it('says why it is refused where nothing can be deleted', async () => {
    const hazard = hazardous({ FILE_BYTES_MAX: 3 })
    const { receive } = await open(hazard)
    hazard.fuse({ of: 'files', at: 0, when: 'before', lasting: true })
    await expect(receive()).rejects.toMatchObject({ facts: { reason: 'file-too-large' } })
  })

  it('is taken if the answer alone of opening its job is lost', async () => {
    const hazard = hazardous()
    const { workspace, receive } = await open(hazard)
    hazard.fuse({ at: 0, when: 'after', only: 'writes' })
    const { key } = await receive()
    expect(await leftIn(workspace)).toMatchObject({ jobs: [{ key }], files: [expect.any(String)] })
  })

  it('keeps the file of a job that may be open', async () => {
    for (let at = 0; at < 6; at++) {
      const hazard = hazardous()
      const { workspace, receive } = await open(hazard)
      hazard.fuse({ at, when: 'after', lasting: true })
      await receive().catch(() => undefined)
      const { jobs, files } = await leftIn(workspace)
      expect(files).toEqual(expect.arrayContaining(jobs.map(({ file }) => file)))
    }
  })
})
