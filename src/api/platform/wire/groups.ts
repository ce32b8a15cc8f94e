import { z } from 'zod'
import { aggregates, functions } from '../../../identity/aggregate.ts'
import { nameMax } from '../../../identity/attributes.ts'
import { isUnshown } from '../../../identity/corrections.ts'
import type { DefinitionDraft, GroupDefinition } from '../../../identity/definitions.ts'
import type { Household } from '../../../identity/households.ts'
import { inheritedName } from '../../../identity/profiles.ts'
import { canonical, control, lengthOf, problemOfChosenId, readId } from '../../../text.ts'
import { pageSize } from '../../keyset.ts'
import { checkedBy, Description } from '../../name.ts'
import { Attributes, date, showValue } from './values.ts'

// Definitions (Group Identity, "Limitations"; lengths in characters).

const named = (max: number) =>
  z
    .string()
    .regex(new RegExp(`^[^\\0]{1,${max}}$`, 'u'), `must be 1 to ${max} characters`)
    .refine(
      (text) => !control.test(text) && text.isWellFormed(),
      'must be text without control characters',
    )

const oneOf = new Intl.ListFormat('en-GB', { type: 'disjunction' })

export const FunctionName = z.enum(functions, `must be ${oneOf.format(functions)}`)

export const SharedAttribute = z.object({
  id: named(223),
  type: FunctionName.meta({
    description: [
      'What members share of their values of the attribute. Who has no value has no part; where ' +
        'nobody has one that counts, nothing is shared, unless said otherwise.',
      ...functions.map((name) => `- ${name}: ${aggregates[name].means}`),
    ].join('\n'),
  }),
})

const SharedAttributes = z
  .array(SharedAttribute)
  .refine(
    (list) => new Set(list.map(({ id }) => id)).size === list.length,
    'must not name one id twice',
  )

export const DefinitionChange = z.object({
  description: Description,
  source_user_attribute: named(nameMax).optional(),
  attributes: SharedAttributes.nullish(),
  matching: z
    .literal('normalized', 'must be normalized')
    .nullish()
    .meta({
      description:
        'normalized: values of the source attribute are equal if they differ only in case and in the ' +
        'amount of white space; null: they are compared as they are.',
    }),
  ignore_values: z
    .array(
      z
        .string()
        .regex(/^[^\0]{0,256}$/u, 'cannot exceed 256 characters')
        .refine((text) => text.isWellFormed(), 'must be text'),
    )
    .max(100, 'cannot be more than 100')
    .nullish()
    .meta({
      description:
        'Values of the source attribute that form no group, in any case and within punctuation too, ' +
        'as they mean that there is no value. If null: common ones such as N/A, null, unknown and -.',
    }),
  refresh: z
    .enum(['weekly', 'continuous'], 'must be weekly or continuous')
    .nullish()
    .meta({
      description:
        'continuous: a changed attribute reaches the group within seconds, and a file of users that is ' +
        'longer than 8 MiB by a run at its end; weekly, also if null: with the run of the next ' +
        'Monday. A definition that becomes continuous, or is changed while it is, is recomputed at once.',
    }),
})

const definitionId = "must be 3 to 32 characters, and none of them ':', '/' or a control character"
const isDefinitionId = (id: string) =>
  lengthOf(id) >= 3 && !/[:/]/.test(id) && 'id' in readId(id, 32)

export const NewDefinition = DefinitionChange.extend({
  id: z
    .string()
    .refine((id) => !control.test(id), definitionId)
    .overwrite(canonical)
    .refine(isDefinitionId, definitionId)
    .superRefine(checkedBy(problemOfChosenId))
    .meta({ minLength: 3, maxLength: 32 }),
  source_user_attribute: named(nameMax),
})

export const AttributesChange = z.object({ attributes: SharedAttributes })

/** The fields that are given, in our words; null is empty. */
export const changeOf = (change: z.infer<typeof DefinitionChange>): Partial<DefinitionDraft> => ({
  ...(change.description !== undefined && { description: change.description ?? '' }),
  ...(change.source_user_attribute !== undefined && { source: change.source_user_attribute }),
  ...(change.attributes !== undefined && { attributes: change.attributes ?? [] }),
  ...(change.matching !== undefined && { matching: change.matching }),
  ...(change.ignore_values !== undefined && { ignoreValues: change.ignore_values }),
  ...(change.refresh !== undefined && {
    refresh: change.refresh === 'continuous' ? change.refresh : null,
  }),
})

/** A draft in our words; fields that are not given are empty. */
export const draftOf = (draft: Omit<z.infer<typeof NewDefinition>, 'id'>): DefinitionDraft => ({
  description: '',
  attributes: [],
  ...changeOf(draft),
  source: draft.source_user_attribute,
})

export const ShownDefinition = z.object({
  id: z.string(),
  description: z.string(),
  source_user_attribute: z.string(),
  attributes: z.array(SharedAttribute),
  matching: z.literal('normalized').optional(),
  ignore_values: z.array(z.string()).optional(),
  refresh: z.literal('continuous').optional(),
  created_on: z.iso.datetime(),
  created_by: z.string(),
  last_modified_on: z.iso.datetime(),
  last_modified_by: z.string(),
})

export const showDefinition = (definition: GroupDefinition): z.infer<typeof ShownDefinition> => ({
  id: definition.id,
  description: definition.description,
  source_user_attribute: definition.source,
  attributes: definition.attributes,
  ...(definition.matching !== null && { matching: definition.matching }),
  ...(definition.ignoreValues !== null && { ignore_values: definition.ignoreValues }),
  ...(definition.refresh !== null && { refresh: definition.refresh }),
  created_on: date(definition.createdAt),
  created_by: definition.createdBy,
  last_modified_on: date(definition.updatedAt),
  last_modified_by: definition.updatedBy,
})

// Groups that have formed.

export const InstanceQuery = z.object({
  value: z.string().optional().meta({ description: 'Only the group of users with this value.' }),
  after: z
    .string()
    .default('')
    .meta({ description: 'The place after which the page begins: `next` of the page before.' }),
  size: pageSize(100, 20),
})

export const ShownInstances = z.object({
  instances: z.array(
    z.object({
      value: z
        .string()
        .nullable()
        .meta({ description: 'Null of a user whom a correction keeps alone.' }),
      members: z.array(z.object({ user_id: z.string(), joined_on: z.iso.datetime() })),
      attributes: Attributes,
    }),
  ),
  next: z.string().nullable(),
})

export const showInstances = (
  definition: string,
  { households, next }: { households: Household[]; next: string | undefined },
): z.infer<typeof ShownInstances> => ({
  instances: households.map(({ value, members, shared }) => ({
    value: isUnshown(value) ? null : value,
    members: members.map(({ user, joinedAt }) => ({ user_id: user, joined_on: date(joinedAt) })),
    attributes: Object.fromEntries(
      shared.map(([attribute, result]) => [
        inheritedName(definition, attribute),
        showValue(result),
      ]),
    ),
  })),
  next: next ?? null,
})
