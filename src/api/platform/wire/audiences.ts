import { z } from 'zod'
import type { AudienceDraft } from '../../../audiences/audiences.ts'
import type { Explained } from '../../../audiences/explain.ts'
import type { Priced } from '../../../audiences/prices.ts'
import { withoutShared } from '../../../audiences/references.ts'
import { operators, readRule } from '../../../audiences/rule.ts'
import type { GroupJob } from '../../../experience/jobs.ts'
import { canonical, problemOfChosenId, readId } from '../../../text.ts'
import { FileFor, KeysetQuery } from '../../keyset.ts'
import { checkedBy, Description, Name } from '../../name.ts'
import { statuses, statusOf } from '../../status.ts'
import { Cost, type Limit } from './counts.ts'
import { AttributeValue, date, showExact, showValue } from './values.ts'

// Read by audiences/rule.ts, which points to the node that it refuses.
const Rule = z.unknown().meta({
  type: 'object',
  required: ['operator'],
  properties: {
    operator: { type: 'string', enum: [...operators] },
    attribute: {
      type: 'string',
      description: 'Own or inherited, such as has_dog or household:has_dog.',
    },
    value: {
      description:
        'A string, a number or a boolean; for in and not_in a list of them. Its type decides how it ' +
        'compares. A number compares with numbers and with texts that are nothing but a number; ' +
        'whole numbers by all of their digits. A boolean compares with booleans and with the texts ' +
        'true and false, in any case. A string compares as text, without regard to case. If the ' +
        'string and the value of the attribute are both ISO 8601 dates or date-times, they compare ' +
        'as times: a date is its midnight, and without an offset it is in UTC.',
    },
    expressions: { type: 'array', items: { type: 'object' }, description: 'For and, or.' },
    expression: { type: 'object', description: 'For not, any_member, all_members, no_member.' },
    group: {
      type: 'string',
      description:
        'For any_member, all_members, no_member: a group definition; for in_group: an experience group.',
    },
    audience: { type: 'string', description: 'For in_audience.' },
  },
  description: [
    'At most 10 levels, 100 conditions, about 2 MB of values and patterns, and a cost of `cost_max`, ' +
      'including those of the audiences that it uses.',
    'If the user does not have the attribute, a comparison is false and its not_… true. A list',
    'matches if one of its items does.',
    'contains, starts_with, ends_with and matches (* is any text, ? one character) compare without regard to case.',
    'any_member, all_members and no_member look at all members of the household of the user, as the',
    'last recompute formed it; the user is one of them. For a user without a household, any_member',
    'and all_members are false and no_member is true.',
    'The definitions, shared attributes, groups and audiences that a rule names must exist, and',
    'cannot be deleted while it names them; a rule that names a missing one is refused.',
    'An audience may not depend on the group that it fills.',
  ].join(' '),
  examples: [{ operator: 'equals', attribute: 'household:has_dog', value: true }],
})

const Refresh = z.enum(['on_demand', 'weekly', 'daily'], 'must be on_demand, weekly or daily')

/** An id as it is stored, refused with `problem`. */
const named = (max: number, problem: string, allowed: RegExp) =>
  z.string().transform((text, { addIssue }) => {
    const read = readId(text, max)
    if ('id' in read && allowed.test(read.id)) return read.id
    addIssue({
      code: 'custom',
      message: /^\.\.?$/.test(canonical(text)) ? "cannot be '.' or '..'" : problem,
    })
    return z.NEVER
  })

export const AudiencesQuery = KeysetQuery('id of the audience', 'the last of the page before')

export const AudienceChange = z.object({
  name: Name(100),
  description: Description,
  rule: Rule,
  refresh: Refresh.default('on_demand').meta({
    description: 'When the audience fills its experience group.',
  }),
})

export const NewAudience = AudienceChange.extend({
  id: named(
    64,
    "must be 3 to 64 characters, and none of them ':', '/' or a control character",
    /^[^:/]{3,}$/u,
  )
    .superRefine(checkedBy(problemOfChosenId))
    .refine((id) => id !== 'preview' && id !== 'overlap', 'is taken by an operation of this name')
    .optional()
    .meta({ description: "3 to 64 characters without ':' and '/'. A new UUID if not given." }),
})

/** The id of the audience that a path names. */
export const idOf = ({ req }: { req: { param: (name: 'audience_id') => string } }) =>
  canonical(req.param('audience_id'))

export const draftOf = ({
  name,
  description,
  rule,
  refresh,
}: z.infer<typeof AudienceChange>): AudienceDraft => ({
  name,
  description: description ?? '',
  rule: readRule(rule),
  refresh,
})

export const ShownAudience = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  rule: Rule,
  cost: Cost.cost.nullable().meta({
    description: `${Cost.cost.description} Null: the rule is refused now.`,
  }),
  cost_max: Cost.cost_max,
  refresh: Refresh,
  experience_group: z
    .uuid()
    .nullable()
    .meta({ description: 'The experience group that the audience fills.' }),
  created_on: z.iso.datetime(),
  created_by: z.string(),
  last_modified_on: z.iso.datetime(),
  last_modified_by: z.string(),
})

export const showAudience = (
  { cost, ...audience }: Priced,
  { ruleCostMax }: Limit,
): z.infer<typeof ShownAudience> => ({
  id: audience.id,
  name: audience.name,
  description: audience.description,
  rule: showExact(withoutShared(audience.rule)),
  cost,
  cost_max: ruleCostMax,
  refresh: audience.refresh,
  experience_group: audience.group,
  created_on: date(audience.createdAt),
  created_by: audience.createdBy,
  last_modified_on: date(audience.updatedAt),
  last_modified_by: audience.updatedBy,
})

export const Preview = z.object({ rule: Rule })

export const UsersQuery = KeysetQuery('user').extend({ for: FileFor })

export const ShownUsers = z.object({
  users: z.array(z.string()),
  next: z.string().nullable().meta({
    description:
      'The `after` of the next page, which may follow a page of fewer users; null: none.',
  }),
})

// Nodes below are `unknown`: a recursive schema would need a name.
const ShownNode = z.looseObject({
  operator: z.enum(operators),
  result: z.boolean(),
  saw: AttributeValue.nullable().optional().meta({
    description:
      'The value that the user has of the attribute; of a list of more than 16 KB, ten items.',
  }),
  expressions: z.array(z.unknown()).optional(),
  expression: z.unknown().optional(),
  members: z.array(z.object({ user_id: z.string(), expression: z.unknown() })).optional(),
})

export const ShownMembership = z.object({ member: z.boolean(), explain: ShownNode })

export const showMembership = (explained: Explained): z.infer<typeof ShownMembership> => ({
  member: explained.result,
  explain: showNode(explained),
})

/** A node of the rule with its result and the value that it saw; so the nodes below. */
function showNode({ rule, result, saw, inner, members }: Explained): z.infer<typeof ShownNode> {
  const [first] = inner ?? []
  const { expression: _, ...node } = { expression: undefined, ...withoutShared(rule) }
  return {
    ...node,
    ...('value' in rule && { value: showExact(rule.value) }),
    result,
    ...(saw !== undefined && { saw: showValue(saw) }),
    ...('expressions' in rule && { expressions: inner?.map(showNode) }),
    ...(!('expressions' in rule) && first !== undefined && { expression: showNode(first) }),
    ...(members !== undefined && {
      members: members.map(({ user, explained }) => ({
        user_id: user,
        expression: showNode(explained),
      })),
    }),
  }
}

export const Attachment = z.object({
  groupId: z.uuid('must be a uuid').transform((id) => id.toLowerCase()),
})

export const SyncRequest = z.object({
  mode: z
    .enum(['apply', 'preview'], 'must be apply or preview')
    .optional()
    .meta({ description: 'preview: the job is held before it goes live. apply if not given.' }),
})

export const aboutSyncs =
  'The job is one of the group: see /groups/v3/jobs/{jobId}. A preview is HELD there, with exact ' +
  'counts, and so is a job that would remove more than the maxRemovePercent of the group, also one ' +
  'of the day or week. POST /groups/v3/jobs/{jobId}/publish makes it live, /cancel undoes it, and ' +
  '/changes lists whom it adds and removes; syncs after it wait, one in each mode at most.'

export const ShownSync = z.object({
  job_id: z.uuid().meta({ description: 'The job under /groups/v3/jobs.' }),
  group_id: z.uuid(),
  status: z.enum(Object.values(statuses)),
  created_on: z.iso.datetime(),
})

export const showSync = (job: GroupJob): z.infer<typeof ShownSync> => ({
  job_id: job.id,
  group_id: job.groupId,
  status: statusOf(job),
  created_on: date(job.createdAt),
})
