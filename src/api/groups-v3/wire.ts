import { z } from 'zod'
import type { Group } from '../../experience/groups.ts'
import type { GroupJob } from '../../experience/jobs.ts'
import { Failure } from '../../failure.ts'
import type { JobProblem } from '../../jobs/jobs.ts'
import { percentOf } from '../../jobs/outcome.ts'
import type { Problem } from '../../jobs/problem.ts'
import { isUuid } from '../../text.ts'
import { FileSha256 } from '../file-hash.ts'
import { statuses } from '../status.ts'

/** The id in lower case, as it is stored. Throws `not-an-id`. */
export function groupIdOf(text: string): string {
  if (!isUuid(text)) throw new Failure({ reason: 'not-an-id', what: 'group', id: text })
  return text.toLowerCase()
}

const name = z.string().meta({
  description:
    'Unique in the workspace; at most 50 characters unless configured otherwise. White space and ' +
    'invisible characters at its ends are removed; within, they are refused, and so are control ' +
    'characters and a name of the form of a UUID. Kept in NFC.',
})

const description = z.string().nullish().meta({
  description: 'At most 450 characters unless configured otherwise. An empty text removes it.',
})

export const NewGroup = z.object({
  groupName: name,
  groupDescription: description,
  groupType: z.string().default('EXPERIENCE_GROUP').meta({ description: 'At most 50 characters.' }),
  groupPlatform: z
    .string()
    .default('RETAIL_BANKING')
    .meta({ description: 'At most 50 characters.' }),
})

/** Fields that are not given stay. */
export const GroupDraft = z.object({
  groupName: name.optional(),
  groupDescription: description,
})

export const newGroupOf = (draft: z.infer<typeof NewGroup>) => ({
  name: draft.groupName,
  description: draft.groupDescription,
  type: draft.groupType,
  platform: draft.groupPlatform,
})

export const draftOf = ({ groupName, groupDescription }: z.infer<typeof GroupDraft>) => ({
  ...(groupName !== undefined && { name: groupName }),
  description: groupDescription,
})

export const ShownGroup = z.object({
  groupId: z.uuid(),
  groupName: z.string(),
  groupDescription: z.string().optional(),
  groupType: z.string(),
  groupPlatform: z.string(),
  groupLastUpdatedDateTime: z.iso.datetime(),
  groupParticipantCount: z.int(),
  groupStatus: z.literal('ACTIVE'),
})

export const showGroup = (group: Group): z.infer<typeof ShownGroup> => ({
  groupId: group.id,
  groupName: group.name,
  ...(group.description !== null && { groupDescription: group.description }),
  groupType: group.type,
  groupPlatform: group.platform,
  groupLastUpdatedDateTime: new Date(group.updatedAt).toISOString(),
  groupParticipantCount: group.participantCount,
  groupStatus: 'ACTIVE',
})

export const Link = z.object({ rel: z.string(), href: z.string() })

export const ListedGroup = z.object({
  groupId: z.uuid(),
  groupName: z.string(),
  groupType: z.string(),
  noOfParticipants: z.int(),
  links: z.array(Link),
})

export const listGroup = (group: Group): z.infer<typeof ListedGroup> => ({
  groupId: group.id,
  groupName: group.name,
  groupType: group.type,
  noOfParticipants: group.participantCount,
  links: [],
})

export const ShownJob = z.object({
  jobId: z.uuid(),
  groupId: z.uuid(),
  groupName: z.string(),
  groupType: z.string(),
  inputFileName: z.string(),
  workingFileName: z.string(),
  fileSha256: FileSha256.optional(),
  type: z.enum(['ADD', 'REMOVE', 'REPLACE']),
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

const shownTypes = { add: 'ADD', remove: 'REMOVE', replace: 'REPLACE' } as const

/** Failures that undo what was written, of good rows too. */
const undoneBy = new Set<GroupJob['failure']>(['gave-up', 'mostly-bad', 'rule', 'limit'])

/** Changes are counted only once the job is live. */
export function showJob(job: GroupJob): z.infer<typeof ShownJob> {
  const undone = undoneBy.has(job.failure)
  const good = undone ? 0 : job.rows - job.badRows
  const live = job.state === 'successful' || job.state === 'partial'
  const details = detailsOf(job)
  return {
    jobId: job.id,
    groupId: job.groupId,
    groupName: job.groupName,
    groupType: job.groupType,
    ...fileNamesOf(job),
    ...(job.fileSha256 !== null && { fileSha256: job.fileSha256 }),
    type: shownTypes[job.type],
    totalRecordsCount: job.rows,
    successRecordsCount: good,
    failedRecordsCount: job.badRows,
    addedCount: live ? job.added : 0,
    removedCount: live ? job.removed : 0,
    unchangedCount: live ? good - (job.type === 'remove' ? job.removed : job.added) : 0,
    progressPercent: percentOf(job, job.groupCount + job.touched),
    ...(details !== undefined && { jobDetails: details }),
    jobStatus: statuses[job.state],
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

function detailsOf({ state, failure }: GroupJob): string | undefined {
  if (state === 'partial') return 'Partial Success.  See detailed report.'
  if (state !== 'failed') return undefined
  return failedDetails[failure ?? 'no-good-row']
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
  'gave-up': nothing,
  withdrawn: nothing,
}

export const ListedJob = ShownJob.extend({ links: z.array(Link) })

/** `url` is the list's. */
export const listJob =
  (url: string) =>
  (job: GroupJob): z.infer<typeof ListedJob> => ({
    ...showJob(job),
    links: [{ rel: 'self', href: `${url.replace(/\?.*/, '')}/${job.id}` }],
  })

export const JobsOf = { groupId: z.string().optional() }

export const ShownProblem = z.object({
  lineNbr: z.int().meta({
    description:
      'The line in the file, from 1, the header included; 0 for a problem of the whole file.',
  }),
  errorMsg: z.string(),
  value: z.string().nullable().meta({
    description: 'The beginning of the row; for the sync of an audience, the id of the user.',
  }),
})

export const showProblem =
  (sentences: Record<Problem, string>) =>
  ({ line, problem, value }: JobProblem): z.infer<typeof ShownProblem> => ({
    lineNbr: line,
    errorMsg: sentences[problem],
    value,
  })

const type =
  'ADD, REMOVE or REPLACE. Required here if the body is the file itself, otherwise here or in the form.'

const once = z.string('must be given once')

export const UploadQuery = z.object({
  type: once.optional().meta({ description: type }),
  operation: once.optional().meta({ description: 'Another name for `type`.' }),
  header: once.optional().meta({
    description:
      'Whether the first row names the columns: present, absent, or auto, which decides by its words.',
  }),
  fileName: z
    .string()
    .default('participants.csv')
    .meta({ description: 'The name of the file, if the body is the file itself.' }),
})

export const Accepted = z.object({ code: z.literal('1000'), message: z.string() })

export const Refused = z.object({
  code: z.enum(['2000', '2001', '2003', '2004']),
  message: z.string(),
})
