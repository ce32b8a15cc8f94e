import { Failure, invalid } from '../failure.ts'
import type { Resources } from '../resources.ts'
import { findIdColumn } from '../jobs/header.ts'
import type { OpenedJob } from '../jobs/jobs.ts'
import type { Destination } from '../jobs/resumable.ts'
import { receiveFile, type UploadPart } from '../jobs/upload.ts'
import { announcingUploads } from '../webhooks/announce-upload.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { checkExpected, type Expected } from './expected.ts'
import { checkAcceptsFile, getOpened, openJob, type JobType } from './jobs.ts'

/** Whose file it is, and the revision that it expects its group to be at. */
interface Sender {
  createdBy: string
  expected?: Expected | undefined
  /** Whether that is checked only once all of the file has come. */
  expectsLate?: boolean
}

/** Where a file of participants goes: a group. */
export const toGroup = (
  res: Resources,
  workspace: number,
  group: string,
  { createdBy, expected, expectsLate = false }: Sender,
): Destination => ({
  workspace,
  group,
  expected,
  receiver: async (end) => {
    const expects = end === undefined ? expected : (end.expected ?? undefined)
    const db = res.databaseOf(workspace)
    const limits = { ...res.limits, counted: end?.length ?? 0 }
    const bytesLeft = await checkAcceptsFile(db, workspace, group, limits)
    if (!expectsLate) await checkExpected(db, workspace, group, expects)
    return {
      bytesLeft,
      field: checkField,
      complete: (fields) => typeOf(fields.get('type')),
      idColumn: findIdColumn,
      take: (file, fields) => {
        const type = typeOf(fields.get('type'))
        const mode = modeOf(fields.get('mode'))
        const maxRemovePercent = percentOf(fields.get('maxRemovePercent'))
        const draft = { ...file, type, mode, maxRemovePercent, createdBy, expected: expects, end }
        return openJob(res, workspace, group, draft)
      },
    }
  },
  messageOf: ({ key }) => ({ kind: 'job', workspace, job: key }),
  ...announcingUploads(res, workspace, group),
})

/**
 * Stores a file of participants and opens the job that applies it. A failure leaves neither.
 * Throws as `checkAcceptsFile`, `checkExpected` and `receiveFile` do, `upload-type-…` and `invalid`.
 */
export async function receiveUpload(
  res: Resources,
  workspace: number,
  groupId: string,
  { createdBy, expected, parts }: Sender & { parts: AsyncIterable<UploadPart> },
): Promise<OpenedJob> {
  // With a key, what is before may be its twin: then all of the file is to be compared.
  const expectsLate = res.key !== undefined
  const destination = toGroup(res, workspace, groupId, { createdBy, expected, expectsLate })
  const job = await receiveFile(res, workspace, parts, await destination.receiver())
  await enqueue(res, destination.messageOf(job))
  return job
}

/** The job of a file that was received, as it was opened. Throws as `getOpened` does. */
export async function findReceived(
  res: Resources,
  workspace: number,
  id: string,
): Promise<OpenedJob> {
  const job = await getOpened(res, workspace, id)
  if (job.source !== 'participants-file') throw new Error(`the job ${id} has no file`)
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
