import { Failure } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { findIdColumn } from '../jobs/header.ts'
import type { OpenedJob } from '../jobs/jobs.ts'
import { receiveFile, type UploadPart } from '../jobs/upload.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { checkAcceptsFile, openJob, type JobType } from './jobs.ts'

/**
 * Stores a file of participants and opens the job that applies it. A failure leaves neither.
 * Throws as `checkAcceptsFile` and `receiveFile` do, and `upload-type-…`.
 */
export async function receiveUpload(
  res: Resources,
  workspace: number,
  groupId: string,
  { createdBy, parts }: { createdBy: string; parts: AsyncIterable<UploadPart> },
): Promise<OpenedJob> {
  const bytesLeft = await checkAcceptsFile(
    res.databaseOf(workspace),
    workspace,
    groupId,
    res.limits,
  )
  const job = await receiveFile(res, workspace, parts, {
    bytesLeft,
    field: (name, value) => name === 'type' && typeOf(value),
    complete: (fields) => typeOf(fields.get('type')),
    idColumn: findIdColumn,
    take: (file, fields) => {
      const draft = { ...file, type: typeOf(fields.get('type')), createdBy }
      return openJob(res, workspace, groupId, draft)
    },
  })
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return job
}

function typeOf(type = ''): JobType {
  if (type === '') throw new Failure({ reason: 'upload-type-missing' })
  if (type !== 'add' && type !== 'remove' && type !== 'replace')
    throw new Failure({ reason: 'upload-type-unknown' })
  return type
}
