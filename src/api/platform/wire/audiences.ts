import { z } from 'zod'
import type { Audience, AudienceDraft } from '../../../audiences/audiences.ts'
import type { Explained } from '../../../audiences/explain.ts'
import { withoutShared } from '../../../audiences/references.ts'
import { operators, readRule } from '../../../audiences/rule.ts'
import type { GroupJob } from '../../../experience/jobs.ts'
import { canonical, readId } from '../../../text.ts'
import { KeysetQuery } from '../../keyset.ts'
import { statuses } from '../../status.ts'
import { AttributeValue, date, showExact, showValue } from './values.ts'

/** Rules are read by audiences/rule.ts, which points to the node that it refuses. */
const Rule = z.unknown().meta({
  type: 'object',
  required: ['operator'],
  properties: {
    operator: { type: 'string', enum: [...operators] },
    attribute: { type: 'string', description: 'Own or inherited: has_dog, household:has_dog.' },
    value: {
      description:
        'A string, a number or a boolean; of in and not_in a list of them. Its type decides how it compares. A number compares with numbers and texts that are one as a whole, whole numbers by all of their digits; true and false with texts that say so, in any case. A string compares as text, without regard to case; one that is an ISO 8601 date or date-time is before, after or equal to values that are ones, as moments: a date is its midnight, and without an offset it is UTC.',
    },
    expressions: { type: 'array', items: { type: 'object' }, description: 'Of and, or.' },
    expression: { type: 'object', description: 'Of not, any_member, all_members, no_member.' },
    group: {
      type: 'string',
      description:
        'Of any_member, all_members, no_member: a group definition; of in_group: an experience group.',
    },
    audience: { type: 'string', description: 'Of in_audience.' },
  },
  description: [
    'At most 10 levels and 100 conditions, those of the audiences that it uses included.',
    'A missing attribute makes a comparison false and its not_… true; of a list, one item that fits is enough.',
    'contains, starts_with, ends_with and matches (* is any text, ? one character) compare without regard to case.',
    'any_member, all_members and no_member ask of everybody in the household of the user, the user included, as the last recompute formed it;',
    'whoever is in no household has no members: of these three, only no_member holds then.',
    'What a rule names (definition, shared attribute, group, audience) must be there: it cannot be deleted meanwhile, and where it is gone the question fails.',
    'An audience may not depend on the group that it fills.',
  ].join(' '),
  examples: [{ operator: 'equals', attribute: 'household:has_dog', value: true }],
})

const Refresh = z.enum(['on_demand', 'weekly', 'daily'], 'must be on_demand, weekly or daily')

/** An id or a name as it is kept (see text.ts), or `problem`. */
const named = (max: number, problem: string, allowed: RegExp = /^/) =>
  z.string().transform((text, { addIssue }) => {
    const read = readId(text, max)
    if ('id' in read && allowed.test(read.id)) return read.id
    addIssue({
      code: 'custom',
      message: /^\.\.?$/.test(canonical(text)) ? "cannot be '.' or '..'" : problem,
    })
    return z.NEVER
  })

export const AudienceChange = z.object({
  name: named(100, 'must be 1 to 100 characters').meta({ description: '1 to 100 characters.' }),
  description: z
    .string()
    .regex(/^[^\0]{0,255}$/u, 'cannot exceed 255 characters')
    .nullish(),
  rule: Rule,
  refresh: Refresh.default('on_demand').meta({
    description: 'When it fills the experience group that it is attached to.',
  }),
})

export const NewAudience = AudienceChange.extend({
  id: named(
    64,
    "must be 3 to 64 characters, and none of them ':', '/' or a control character",
    /^[^:/]{3,}$/u,
  )
    .refine((id) => id !== 'preview' && id !== 'overlap', 'is taken by an operation of this name')
    .optional()
    .meta({ description: "3 to 64 characters without ':' and '/'. A uuid, if not given." }),
})

/** The id of an audience in a path or a query. */
export const audienceIdOf = canonical

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
  refresh: Refresh,
  experience_group: z
    .uuid()
    .nullable()
    .meta({ description: 'The experience group that it fills.' }),
  created_on: z.iso.datetime(),
  created_by: z.string(),
  last_modified_on: z.iso.datetime(),
  last_modified_by: z.string(),
})

export const showAudience = (audience: Audience): z.infer<typeof ShownAudience> => ({
  id: audience.id,
  name: audience.name,
  description: audience.description,
  rule: showExact(withoutShared(audience.rule)),
  refresh: audience.refresh,
  experience_group: audience.group,
  created_on: date(audience.createdAt),
  created_by: audience.createdBy,
  last_modified_on: date(audience.updatedAt),
  last_modified_by: audience.updatedBy,
})

export const Preview = z.object({ rule: Rule })
export const ShownPreview = z.object({ count: z.int(), sample: z.array(z.string()).max(10) })
export const ShownCount = z.object({ count: z.int() })

export const UsersQuery = KeysetQuery('user')

export const ShownUsers = z.object({ users: z.array(z.string()), next: z.string().nullable() })

const Named = z.string('is required').transform(audienceIdOf)

export const OverlapQuery = z.object({ a: Named, b: Named })
export const ShownOverlap = z.object({
  a: z.object({ id: z.string(), count: z.int() }),
  b: z.object({ id: z.string(), count: z.int() }),
  both: z.int(),
})

export const showOverlap = (
  a: string,
  b: string,
  counts: { a: number; b: number; both: number },
): z.infer<typeof ShownOverlap> => ({
  a: { id: a, count: counts.a },
  b: { id: b, count: counts.b },
  both: counts.both,
})

// A node has nodes below it, which the schema of a schema cannot say without a name of its own.
const ShownNode = z.looseObject({
  operator: z.enum(operators),
  result: z.boolean(),
  saw: AttributeValue.nullable()
    .optional()
    .meta({ description: 'The value that the user has of the attribute.' }),
  expressions: z.array(z.unknown()).optional(),
  expression: z.unknown().optional(),
  members: z.array(z.object({ user_id: z.string(), expression: z.unknown() })).optional(),
})

export const ShownMembership = z.object({ member: z.boolean(), explain: ShownNode })

export const showMembership = (explained: Explained): z.infer<typeof ShownMembership> => ({
  member: explained.result,
  explain: showNode(explained),
})

/** A node as it was given, with what it came to and saw; the nodes below it likewise. */
function showNode({ rule, result, saw, inner, members }: Explained): z.infer<typeof ShownNode> {
  const [first] = inner ?? []
  const { expression: _, ...told } = { expression: undefined, ...withoutShared(rule) }
  return {
    ...told,
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

export const ShownSync = z.object({
  job_id: z.uuid().meta({ description: 'As under /groups/v3/jobs.' }),
  group_id: z.uuid(),
  status: z.enum(Object.values(statuses)),
  created_on: z.iso.datetime(),
})

export const showSync = (job: GroupJob): z.infer<typeof ShownSync> => ({
  job_id: job.id,
  group_id: job.groupId,
  status: statuses[job.state],
  created_on: date(job.createdAt),
})
