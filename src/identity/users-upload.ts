import { invalid } from '../failure.ts'
import { enqueue } from '../jobs/enqueue.ts'
import { findIdColumn } from '../jobs/header.ts'
import type { Destination } from '../jobs/resumable.ts'
import { receiveFile, type UploadPart } from '../jobs/upload.ts'
import type { Resources } from '../resources.ts'
import { announcingUploads } from '../webhooks/announce-upload.ts'
import { checkAcceptsFile, getUsersJob, openUsersJob, type OpenedUsersJob } from './users-jobs.ts'

/** Where a file of users goes: a job of whom `createdBy` names. */
export const toUsers = (
  res: Resources,
  workspace: number,
  createdBy: string,
): Destination<OpenedUsersJob> => ({
  workspace,
  group: null,
  receiver: async (end) => {
    const limits = { ...res.limits, counted: end?.length ?? 0 }
    return {
      bytesLeft: await checkAcceptsFile(res.databaseOf(workspace), workspace, limits),
      field: checkField,
      idColumn: findIdColumn,
      take: (file) => openUsersJob(res, workspace, { ...file, createdBy, end }),
    }
  },
  messageOf: ({ key }) => ({ kind: 'import', workspace, job: key }),
  ...announcingUploads(res, workspace, null),
})

/**
 * Stores a file of users and opens the job that merges it. A failure leaves neither file nor job.
 * Throws `jobs-waiting`, `invalid`, and what `receiveFile` throws.
 */
export async function receiveUsers(
  res: Resources,
  workspace: number,
  createdBy: string,
  parts: AsyncIterable<UploadPart>,
): Promise<OpenedUsersJob> {
  const destination = toUsers(res, workspace, createdBy)
  const job = await receiveFile(res, workspace, parts, await destination.receiver())
  await enqueue(res, destination.messageOf(job))
  return job
}

/** Users change with each batch, so that nothing of their file is held. Throws `invalid`. */
export function checkField(name: string, value: string): void {
  if (name === 'mode' && value !== 'apply')
    throw invalid('mode', 'must be apply: a file of users has no preview')
  if (name === 'maxRemovePercent')
    throw invalid('maxRemovePercent', 'is only of files of participants: users are not removed')
}

/** The job of a file that was received, as it was opened; enqueued again, as that may have failed. */
export async function findReceived(
  res: Resources,
  workspace: number,
  id: string,
): Promise<OpenedUsersJob> {
  const job = await getUsersJob(res.databaseOf(workspace), workspace, id)
  await enqueue(res, { kind: 'import', workspace, job: job.key })
  return { ...job, fileSha256: job.fileSha256 ?? '' }
}
