import { z } from 'zod'
import { typeNames } from '../../experience/jobs.ts'
import type { GroupRevision } from '../../experience/revisions.ts'
import { FileSha256 } from '../file-hash.ts'
import { PageQuery } from './paging.ts'

export const RevisionsQuery = PageQuery({}).pick({ page: true, size: true })

export const ShownRevision = z.object({
  revision: z.int().meta({
    description:
      'The number of the job among those of the group. The list has all that went live since the ' +
      'oldest that it names; jobs that failed or were cancelled have left no revision.',
  }),
  jobId: z.uuid(),
  type: z.enum(Object.values(typeNames)),
  jobCreatedBy: z.string(),
  createdDateTime: z.iso.datetime(),
  inputFileName: z.string(),
  fileSha256: FileSha256.nullable(),
  addedCount: z.int(),
  removedCount: z.int(),
  participantCount: z.int().meta({ description: 'How many the group had at this revision.' }),
  live: z.boolean(),
})

export const showRevision = (one: GroupRevision): z.infer<typeof ShownRevision> => ({
  revision: one.revision,
  jobId: one.jobId,
  type: typeNames[one.type],
  jobCreatedBy: one.createdBy,
  createdDateTime: new Date(one.createdAt).toISOString(),
  inputFileName: one.fileName,
  fileSha256: one.fileSha256,
  addedCount: one.added,
  removedCount: one.removed,
  participantCount: one.members,
  live: one.isLive,
})
