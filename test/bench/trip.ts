import { createReadStream } from 'node:fs'
import { getToken, Groups, registerClient, type Job, type UploadType } from '../local/api.ts'
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

/**
 * Seconds from a file's first byte to SUCCESSFUL; each poll takes a turn on the one thread. Throws
 * where the job ends otherwise.
 */
export async function trip(
  groups: Groups,
  group: string,
  type: UploadType,
  file: string,
  every = 200,
): Promise<{ seconds: number; job: Job }> {
  const start = performance.now()
  const jobId = await groups.upload(group, {
    type,
    name: 'bench.csv',
    content: createReadStream(file),
  })
  const job = await groups.finished(jobId, every)
  const seconds = (performance.now() - start) / 1000
  if (job.jobStatus !== 'SUCCESSFUL')
    throw new Error(`${type} ended as ${job.jobStatus}: ${job.jobDetails}`)
  return { seconds, job }
}
