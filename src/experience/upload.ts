import { Failure, invalid } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { findIdColumn } from '../jobs/header.ts'
import type { OpenedJob } from '../jobs/jobs.ts'
import { receiveFile, type UploadPart } from '../jobs/upload.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { checkExpected, type Expected } from './expected.ts'
import { checkAcceptsFile, getJob, openJob, type JobType } from './jobs.ts'

/**
 * Stores a file of participants and opens the job that applies it. A failure leaves neither.
 * Throws as `checkAcceptsFile`, `checkExpected` and `receiveFile` do, `upload-type-…` and `invalid`.
 */
export async function receiveUpload(
  res: Resources,
  workspace: number,
  groupId: string,
  {
    createdBy,
    parts,
    expected,
  }: { createdBy: string; parts: AsyncIterable<UploadPart>; expected?: Expected | undefined },
): Promise<OpenedJob> {
  const db = res.databaseOf(workspace)
  const bytesLeft = await checkAcceptsFile(db, workspace, groupId, res.limits)
  // With a key, what is before may be its twin: then all of the file is to be compared.
  if (res.key === undefined) await checkExpected(db, workspace, groupId, expected)
  const job = await receiveFile(res, workspace, parts, {
    bytesLeft,
    field: checkField,
    complete: (fields) => typeOf(fields.get('type')),
    idColumn: findIdColumn,
    take: (file, fields) => {
      const type = typeOf(fields.get('type'))
      const mode = modeOf(fields.get('mode'))
      const maxRemovePercent = percentOf(fields.get('maxRemovePercent'))
      const draft = { ...file, type, mode, maxRemovePercent, createdBy, expected }
      return openJob(res, workspace, groupId, draft)
    },
  })
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return job
}

/** The job of a file that was received, as it was opened; enqueued again, as that may have failed. */
export async function findReceived(
  res: Resources,
  workspace: number,
  id: string,
): Promise<OpenedJob> {
  const job = await getJob(res.databaseOf(workspace), workspace, id)
  if (job.source !== 'participants-file') throw new Error(`the job ${id} has no file`)
  await enqueue(res, { kind: 'job', workspace, job: job.key })
  return { ...job, fileSha256: job.fileSha256 ?? '' }
}

function checkField(name: string, value: string): void {
  if (name === 'type') typeOf(value)
  if (name === 'mode') modeOf(value)
  if (name === 'maxRemovePercent') percentOf(value)
}

function modeOf(mode = 'apply'): 'apply' | 'preview' {
  if (mode !== 'apply' && mode !== 'preview') throw invalid('mode', 'must be apply or preview')
  return mode
}

function percentOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^(\d{1,2}|100)$/.test(text))
    throw invalid('maxRemovePercent', 'must be a whole number from 0 to 100')
  return Number(text)
}

function typeOf(type = ''): JobType {
  if (type === '') throw new Failure({ reason: 'upload-type-missing' })
  if (type !== 'add' && type !== 'remove' && type !== 'replace')
    throw new Failure({ reason: 'upload-type-unknown' })
  return type
}
