import { z } from 'zod'
import { typeNames, type GroupJob } from '../../experience/jobs.ts'
import { percentOf, removesTooMany } from '../../jobs/outcome.ts'
import { changeKinds } from '../../membership/changes.ts'
import { FileSha256 } from '../file-hash.ts'
import { FileFor, KeysetQuery } from '../keyset.ts'
import { statuses, statusOf } from '../status.ts'
import { Link } from './wire.ts'

export const ShownJob = z.object({
  jobId: z.uuid(),
  groupId: z.uuid(),
  groupName: z.string(),
  groupType: z.string(),
  inputFileName: z.string(),
  workingFileName: z.string(),
  fileSha256: FileSha256.optional(),
  type: z.enum(Object.values(typeNames)),
  totalRecordsCount: z.int(),
  successRecordsCount: z.int(),
  failedRecordsCount: z.int(),
  addedCount: z.int(),
  removedCount: z.int(),
  unchangedCount: z.int(),
  progressPercent: z.int().min(0).max(100),
  jobDetails: z.string().optional(),
  jobStatus: z.enum(Object.values(statuses)),
  jobCreatedBy: z.string(),
  createdDateTime: z.iso.datetime(),
  lastUpdatedDateTime: z.iso.datetime(),
})

/** Failures that undo what was written, of good rows too. */
const undoneBy = new Set<GroupJob['failure']>([
  'gave-up',
  'mostly-bad',
  'rule',
  'limit',
  'not-kept',
])

/** Changes are counted only once the job is live or held. */
export function showJob(job: GroupJob): z.infer<typeof ShownJob> {
  const undone = undoneBy.has(job.failure)
  const good = undone ? 0 : job.rows - job.badRows
  const counted = ['successful', 'partial', 'held'].includes(job.state)
  const details = detailsOf(job)
  return {
    jobId: job.id,
    groupId: job.groupId,
    groupName: job.groupName,
    groupType: job.groupType,
    ...fileNamesOf(job),
    ...(job.fileSha256 !== null && { fileSha256: job.fileSha256 }),
    type: typeNames[job.type],
    totalRecordsCount: job.rows,
    successRecordsCount: good,
    failedRecordsCount: job.badRows,
    addedCount: counted ? job.added : 0,
    removedCount: counted ? job.removed : 0,
    unchangedCount: counted ? good - (job.type === 'remove' ? job.removed : job.added) : 0,
    progressPercent: percentOf(job, job.groupCount + job.touched),
    ...(details !== undefined && { jobDetails: details }),
    jobStatus: statusOf(job),
    jobCreatedBy: job.createdBy,
    createdDateTime: new Date(job.createdAt).toISOString(),
    lastUpdatedDateTime: new Date(job.updatedAt).toISOString(),
  }
}

function fileNamesOf(job: GroupJob) {
  if (job.source === 'audience')
    return { inputFileName: `audience ${job.audience}`, workingFileName: job.audience }
  const { fileName, fileKey } = job
  return {
    inputFileName: fileName,
    workingFileName: fileKey.slice(fileKey.lastIndexOf('/') + 1),
  }
}

function detailsOf(job: GroupJob): string | undefined {
  const { state, failure, waitsFor } = job
  if (state === 'held') return heldDetails(job)
  if (waitsFor !== null) return `Waits for jobId ${waitsFor}, which is held.`
  if (state === 'partial') return 'Partial Success.  See detailed report.'
  if (state !== 'failed') return undefined
  return failedDetails[failure ?? 'no-good-row']
}

function heldDetails(job: GroupJob): string {
  if (!removesTooMany(job)) return 'Preview.'
  const { removed, groupCount, maxRemovePercent } = job
  return `Would remove ${removed} of ${groupCount} members, more than ${maxRemovePercent} %.`
}

const report = 'Import failed.  See detailed report.'
const nothing = 'Import failed.  Nothing of the file was applied.'

const failedDetails: Record<NonNullable<GroupJob['failure']>, string> = {
  'no-good-row': report,
  'mostly-bad':
    'Import failed.  Too many rows were refused, so nothing was changed.  See detailed report.',
  'not-text': report,
  header: report,
  rule: report,
  limit: report,
  'not-kept': 'Revert failed.  The revision before is no longer kept as a whole.',
  overtaken: 'Revert failed.  Another revision went live before it began.',
  'gave-up': nothing,
  withdrawn: nothing,
  cancelled: nothing,
}

export const Publication = z.object({
  expectedRemoved: z
    .int()
    .optional()
    .meta({
      description:
        'The removedCount of the job: required where it would remove more than maxRemovePercent. ' +
        'Another number is refused.',
    }),
})

export const ChangesQuery = KeysetQuery('participant').extend({
  kind: z.enum(changeKinds, 'must be added or removed').meta({ description: 'Who is listed.' }),
  for: FileFor,
})

export const aboutChanges =
  'In the order of ids. A job has changes to list while it is held, and once they are live until ' +
  'those of a later job are; until then a file goes on, also where the job is published. If it can ' +
  'no longer be told, the connection is closed before the end of the file. People who are erased ' +
  'are left out.'

export const ShownChanges = z.object({
  participants: z.array(z.string()),
  next: z
    .string()
    .nullable()
    .meta({
      description:
        'The `after` of the next page. As a request looks at 20,000 participants of the group at ' +
        'most, it may follow a page of fewer than `size`, or of none; null: there are no more.',
    }),
})

export const showChanges = (page: {
  participants: string[]
  next: string | undefined
}): z.infer<typeof ShownChanges> => ({
  participants: page.participants,
  next: page.next ?? null,
})

export const ListedJob = ShownJob.extend({ links: z.array(Link) })

/** `url` is the list's. */
export const listJob =
  (url: string) =>
  (job: GroupJob): z.infer<typeof ListedJob> => ({
    ...showJob(job),
    links: [{ rel: 'self', href: `${url.replace(/\?.*/, '')}/${job.id}` }],
  })
