import { z } from 'zod'
import type { Group } from '../../experience/groups.ts'
import { Failure } from '../../failure.ts'
import type { JobProblem } from '../../jobs/job-problems.ts'
import type { Problem } from '../../jobs/problem.ts'
import { isUuid } from '../../text.ts'

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

export const maxRemovePercent = z
  .int('must be a whole number from 0 to 100')
  .min(0, 'must be a whole number from 0 to 100')
  .max(100, 'must be a whole number from 0 to 100')
  .nullish()
  .meta({
    description:
      'A job that would remove a larger share of the participants, where they are 100 or more, is ' +
      'held. Null: as the installation says.',
  })

export const NewGroup = z.object({
  groupName: name,
  groupDescription: description,
  groupType: z.string().default('EXPERIENCE_GROUP').meta({ description: 'At most 50 characters.' }),
  groupPlatform: z
    .string()
    .default('RETAIL_BANKING')
    .meta({ description: 'At most 50 characters.' }),
  maxRemovePercent,
})

/** Fields that are not given stay. */
export const GroupDraft = z.object({
  groupName: name.optional(),
  groupDescription: description,
  maxRemovePercent,
})

export const newGroupOf = (draft: z.infer<typeof NewGroup>) => ({
  name: draft.groupName,
  description: draft.groupDescription,
  type: draft.groupType,
  platform: draft.groupPlatform,
  maxRemovePercent: draft.maxRemovePercent,
})

export const draftOf = ({
  groupName,
  groupDescription,
  maxRemovePercent,
}: z.infer<typeof GroupDraft>) => ({
  maxRemovePercent,
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
  maxRemovePercent: z.int().min(0).max(100).optional(),
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
  ...(group.maxRemovePercent !== null && { maxRemovePercent: group.maxRemovePercent }),
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
  mode: once.optional().meta({
    description: 'apply, or preview: the job is held before it goes live, until it is published.',
  }),
  maxRemovePercent: once.optional().meta({
    description:
      'From 0 to 100: where the job would remove a larger share of the participants of a group of ' +
      '100 and more, it is held. By default as the group says.',
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
