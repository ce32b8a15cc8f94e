import { z } from 'zod'
import { Failure } from '../../../failure.ts'
import { userMax, type Value } from '../../../identity/attributes.ts'
import type { Contribution, Explanation } from '../../../identity/explain.ts'
import type { Profile } from '../../../identity/profiles.ts'
import { canonical, isTooLong, readId } from '../../../text.ts'
import { SharedAttribute } from './groups.ts'
import { Attributes, AttributeValue, date, dateOrNull, showValue } from './values.ts'

/** The id of a user in a path. Throws `user-missing` or `invalid`. */
export function userIdOf(text: string): string {
  const read = readId(text, userMax)
  if ('id' in read) return read.id
  if (read.problem === 'empty') throw new Failure({ reason: 'user-missing' })
  throw new Failure({
    reason: 'invalid',
    field: 'user_id',
    problem: problemOfId(text) ?? `must be 1 to ${userMax} characters without control characters`,
  })
}

/** What else than length and control characters is wrong with a text that cannot be a user's id. */
export function problemOfId(text: string): string | undefined {
  const id = canonical(text)
  if (isTooLong(id, userMax) || /\p{Cc}/u.test(id) || id === '') return undefined
  return 'must be text that can be seen, without halves of characters'
}

/** Attributes are read by identity/attributes.ts, which knows their limits; zod would drop one that is named as a prototype. */
export const UserAttributes = z.unknown().meta({
  type: 'object',
  description:
    'At most 100, each a string of at most 4096 characters, a number, a boolean or a list of strings; null deletes.',
  additionalProperties: {
    type: ['string', 'number', 'boolean', 'null', 'array'],
    items: { type: 'string' },
  },
})

export const UserChange = z.object({ user_attributes: UserAttributes })

export const ShownUser = z.object({
  user_id: z.string().max(userMax),
  user_attributes: Attributes,
  groups: z.array(z.object({ definition: z.string(), value: z.string() })),
  created_on: z.iso.datetime(),
  last_modified_on: z.iso.datetime(),
})

export const showUser = (profile: Profile): z.infer<typeof ShownUser> => ({
  user_id: profile.user,
  user_attributes: showAttributes(profile),
  groups: profile.groups,
  created_on: date(profile.createdAt),
  last_modified_on: date(profile.updatedAt),
})

export const showAttributes = ({ attributes }: Profile): z.infer<typeof Attributes> =>
  Object.fromEntries(attributes.map(([name, value]) => [name, showValue(value)]))

export const ShownExplanation = z.object({
  attribute: z.string(),
  definition: z.string(),
  source_user_attribute: z.string(),
  group_value: z.string(),
  function: SharedAttribute.shape.type,
  value: AttributeValue,
  computed_on: z.iso.datetime().nullable().meta({
    description:
      'When the run began that computed the value. What a member has changed since counts from the next run on.',
  }),
  contributions: z.array(
    z.object({
      user_id: z.string(),
      value: AttributeValue.nullable(),
      last_updated_on: z.iso.datetime().nullable(),
      counts: z.boolean().meta({ description: 'Whether this value has a part in the result.' }),
      not_counted_because: z
        .string()
        .nullable()
        .meta({ description: 'Why it has none, in a sentence; null where it has.' }),
    }),
  ),
})

export const showExplanation = (
  attribute: string,
  explanation: Explanation,
): z.infer<typeof ShownExplanation> => ({
  attribute,
  definition: explanation.definition,
  source_user_attribute: explanation.source,
  group_value: explanation.group,
  function: explanation.function,
  value: showValue(explanation.value),
  computed_on: dateOrNull(explanation.computedAt),
  contributions: explanation.members.map((member) => ({
    user_id: member.user,
    value: showValue(member.value),
    last_updated_on: dateOrNull(member.updatedAt),
    counts: member.counts,
    not_counted_because: whyNotCounted(member),
  })),
})

function whyNotCounted({ value, excluded }: Contribution): string | null {
  switch (excluded) {
    case null:
      return null
    case 'missing':
      return 'The user has no value'
    case 'not-latest':
      return 'The value of another member is the latest'
    case 'not-true':
      return `${said(value)} is not true`
    case 'not-a-number':
      return `${said(value)} is not a number`
    case 'beyond-numbers':
      return `${said(value)} is too large a number`
  }
}

const saidMax = 64

/** A value as a sentence has it: a text in quotes, shortened, with what nobody sees made visible. */
function said(value: Value | null): string {
  if (Array.isArray(value)) return 'A list'
  if (typeof value !== 'string') return String(value)
  const signs = [...value]
  const shown = signs.length > saidMax ? `${signs.slice(0, saidMax).join('')}…` : value
  return JSON.stringify(shown).replace(
    hidden,
    (sign) => `\\u{${sign.codePointAt(0)?.toString(16) ?? ''}}`,
  )
}

const hidden = /(?! )[\s\p{Cf}\p{Cc}]/gu
