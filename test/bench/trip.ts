import { createReadStream } from 'node:fs'
import { getToken, Groups, registerClient, type Job, type Upload } from '../local/api.ts'
import type { Server } from '../local/server.ts'

/** A new, empty group on a server, and the way to it. */
export async function openGroup({
  url,
  adminToken,
}: Server): Promise<{ groups: Groups; group: string }> {
  const groups = new Groups(
    url,
    await getToken(url, await registerClient(url, adminToken, 'bench')),
  )
  return { groups, group: await groups.create('Bench') }
}

interface Sent extends Pick<Upload, 'type' | 'mode'> {
  file: string
  /** Milliseconds between two polls. */
  every?: number
}

/**
 * Seconds from a file's first byte to SUCCESSFUL, a preview published as soon as it is held; each
 * poll takes a turn on the one thread. Throws where the job ends otherwise.
 */
export async function trip(
  groups: Groups,
  group: string,
  { file, every = 200, ...upload }: Sent,
): Promise<{ seconds: number; job: Job }> {
  const { type } = upload
  const start = performance.now()
  const jobId = await groups.upload(group, {
    ...upload,
    name: 'bench.csv',
    content: createReadStream(file),
  })
  const ended = await groups.finished(jobId, every)
  const isHeld = ended.jobStatus === 'HELD'
  const job = isHeld ? await groups.publish(jobId, ended.removedCount) : ended
  const seconds = (performance.now() - start) / 1000
  if (job.jobStatus !== 'SUCCESSFUL')
    throw new Error(`${type} ended as ${job.jobStatus}: ${job.jobDetails}`)
  return { seconds, job }
}
