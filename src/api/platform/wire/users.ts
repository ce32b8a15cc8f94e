import { z } from 'zod'
import { Failure } from '../../../failure.ts'
import { userMax, type Value } from '../../../identity/attributes.ts'
import { isUnshown } from '../../../identity/corrections.ts'
import type { Contribution, Explanation } from '../../../identity/explain.ts'
import { listedMost } from '../../../identity/exclusion.ts'
import type { Profile } from '../../../identity/profiles.ts'
import { canonical, control, isTooLong, readId } from '../../../text.ts'
import { FunctionName } from './groups.ts'
import { ShownPlace } from './place.ts'
import { Attributes, AttributeValue, date, dateOrNull, showValue } from './values.ts'

/** The id of a user in a path. Throws `user-missing`, or `invalid` with the field. */
export function userIdOf(text: string, field = 'user_id'): string {
  const read = readId(text, userMax)
  if ('id' in read) return read.id
  if (read.problem === 'empty') throw new Failure({ reason: 'user-missing' })
  throw new Failure({
    reason: 'invalid',
    field,
    problem: problemOfId(text) ?? `must be 1 to ${userMax} characters without control characters`,
  })
}

/** What is wrong with an id but for its length and control characters. */
export function problemOfId(text: string): string | undefined {
  const id = canonical(text)
  if (isTooLong(id, userMax) || control.test(id) || id === '') return undefined
  return 'must have visible characters and be well-formed Unicode'
}

// Read by identity/attributes.ts: zod would drop an attribute named `__proto__`.
export const UserAttributes = z.unknown().meta({
  type: 'object',
  description:
    'At most 100, each a string of at most 4096 characters, a number, a boolean or a list of ' +
    'strings; null deletes the attribute.',
  additionalProperties: {
    type: ['string', 'number', 'boolean', 'null', 'array'],
    items: { type: 'string' },
  },
})

/** The value of a group, which is no value of an attribute where a correction keeps a user alone. */
export const GroupValue = z.string().nullable().meta({
  description:
    'The value that the members have in common; null of a user whom a correction keeps alone.',
})

export const shownValue = (value: string): string | null => (isUnshown(value) ? null : value)

export const UserChange = z.object({ user_attributes: UserAttributes })
export type UserChange = z.infer<typeof UserChange>

export const ShownUser = z.object({
  user_id: z.string().max(userMax),
  user_attributes: Attributes,
  groups: z.array(
    z.object({
      definition: z.string(),
      value: GroupValue,
      correction: ShownPlace.optional().meta({
        description: 'Where it is said by hand that the user belongs.',
      }),
    }),
  ),
  created_on: z.iso.datetime(),
  last_modified_on: z.iso.datetime(),
})

export const showUser = (profile: Profile): z.infer<typeof ShownUser> => ({
  user_id: profile.user,
  user_attributes: showAttributes(profile),
  groups: profile.groups.map(({ definition, value, correction }) => ({
    definition,
    value: shownValue(value),
    ...(correction !== null && { correction }),
  })),
  created_on: date(profile.createdAt),
  last_modified_on: date(profile.updatedAt),
})

export const showAttributes = ({ attributes }: Profile): z.infer<typeof Attributes> =>
  Object.fromEntries(attributes.map(([name, value]) => [name, showValue(value)]))

export const ShownExplanation = z.object({
  attribute: z.string(),
  definition: z.string(),
  source_user_attribute: z.string(),
  group_value: GroupValue,
  function: FunctionName,
  value: AttributeValue,
  computed_on: z.iso
    .datetime()
    .nullable()
    .meta({
      description:
        'When the last run began that computed the value. Later changes count from the next run on, or ' +
        'within seconds, where the definition is continuous or a correction has touched the group.',
    }),
  contributions: z.array(
    z.object({
      user_id: z.string(),
      value: AttributeValue.nullable(),
      last_updated_on: z.iso.datetime().nullable(),
      correction: ShownPlace.optional().meta({
        description: 'Why the user is a member, where that was said by hand.',
      }),
      counts: z.boolean().meta({ description: 'Whether this value counts in the result.' }),
      not_counted_because: z
        .string()
        .nullable()
        .meta({ description: 'Why it does not count, in a sentence; null if it does.' }),
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
  group_value: shownValue(explanation.group),
  function: explanation.function,
  value: showValue(explanation.value),
  computed_on: dateOrNull(explanation.computedAt),
  contributions: explanation.members.map((member) => ({
    user_id: member.user,
    value: showValue(member.value),
    last_updated_on: dateOrNull(member.updatedAt),
    ...(member.correction !== null && { correction: member.correction }),
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
    case 'not-earliest':
      return 'The value of another member has not been updated for longer'
    case 'not-comparable':
      return `${quotedValue(value)} is not of the kind that is compared`
    case 'not-least':
      return 'The value of another member is the least'
    case 'not-greatest':
      return 'The value of another member is the greatest'
    case 'less-frequent':
      return 'Another value is the most frequent'
    case 'empty':
      return 'The list is empty'
    case 'beyond-list':
      return `${quotedValue(value)} is too long, or beyond the first ${listedMost}`
    case 'not-true':
      return `${quotedValue(value)} is not true`
    case 'not-a-number':
      return `${quotedValue(value)} is not a number`
    case 'beyond-numbers':
      return `${quotedValue(value)} is too large a number`
  }
}

const quotedMax = 64

/** A value for a sentence: a text is quoted and shortened, its invisible characters escaped. */
function quotedValue(value: Value | null): string {
  if (Array.isArray(value)) return 'A list'
  if (typeof value !== 'string') return String(value)
  const characters = [...value]
  const shown =
    characters.length > quotedMax ? `${characters.slice(0, quotedMax).join('')}…` : value
  return JSON.stringify(shown).replace(
    invisible,
    (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  )
}

const invisible = /(?! )[\s\p{Cf}\p{Cc}]/gu
