import { z } from 'zod'
import type { OpenedJob } from '../../jobs/jobs.ts'
import { FileSha256 } from '../file-hash.ts'
import { Accepted } from './wire.ts'

export const ShownUpload = Accepted.extend({
  jobId: z.uuid(),
  jobStatus: z.literal('CREATED'),
  fileSha256: FileSha256,
})

export const showUpload = (
  { id, fileName, fileSha256 }: OpenedJob,
  groupId: string,
): z.infer<typeof ShownUpload> => ({
  code: '1000',
  message: `File upload for file: ${fileName} and group: ${groupId} was successful with jobId: ${id}`,
  jobId: id,
  jobStatus: 'CREATED',
  fileSha256,
})
