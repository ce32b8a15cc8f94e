import { z } from 'zod'
import { sizesFrom, valuesShown } from '../../../identity/forecast.ts'
import { percentOfPreview, type Preview } from '../../../identity/previews.ts'
import { date } from './values.ts'
import { NewDefinition } from './groups.ts'

/** A new definition, which may have no id yet. */
export const PreviewedDefinition = NewDefinition.partial({ id: true })

const Values = z.array(z.object({ value: z.string(), users: z.int() }))

export const ShownPreview = z
  .object({
    id: z.uuid(),
    status: z.enum(['COUNTING', 'COMPLETE']),
    progress_percent: z.int().min(0).max(100),
    source_user_attribute: z.string(),
    users_with_attribute: z.int().meta({ description: 'With any value, also one that is none.' }),
    users_without_value: z.int().meta({
      description: 'Whose value is blank, or one that the definition ignores.',
    }),
    users_with_list: z.int().meta({ description: 'A list forms no group.' }),
    users_over_limit: z
      .int()
      .meta({ description: 'Of values that more users have than a group takes.' }),
    groups: z.int(),
    group_sizes: z
      .array(
        z.object({
          from: z.int(),
          to: z.int().nullable(),
          groups: z.int(),
          users: z.int(),
        }),
      )
      .meta({
        description: 'Groups by how many users have their value, also beyond what a group takes.',
      }),
    largest_groups: Values.meta({
      description: `Up to ${valuesShown} values that most users have, most users first.`,
    }),
    ignored_values: Values.meta({ description: 'The same of values that are none.' }),
    samples: z
      .array(z.object({ value: z.string(), users: z.int(), user_ids: z.array(z.string()) }))
      .meta({
        description:
          'Up to ten groups, drawn at random, each with the ids of as many users as a group takes; ' +
          'empty until all is counted.',
      }),
    created_on: z.iso.datetime(),
  })
  .meta({ description: 'Figures are of the values so far, until the status is COMPLETE.' })

export function showPreview(preview: Preview): z.infer<typeof ShownPreview> {
  const { id, state, source, forecast, samples, createdAt } = preview
  const { users, withoutValue, withList } = forecast
  return {
    id,
    status: state === 'complete' ? 'COMPLETE' : 'COUNTING',
    progress_percent: percentOfPreview(preview),
    source_user_attribute: source,
    users_with_attribute: users + withoutValue + withList,
    users_without_value: withoutValue,
    users_with_list: withList,
    users_over_limit: forecast.overLimit,
    groups: forecast.groups,
    group_sizes: forecast.sizes.map((size, i) => ({
      from: sizesFrom[i] ?? 0,
      to: (sizesFrom[i + 1] ?? 0) - 1 > 0 ? (sizesFrom[i + 1] ?? 0) - 1 : null,
      ...size,
    })),
    largest_groups: forecast.largest,
    ignored_values: forecast.none,
    samples: samples.map(({ value, users, some }) => ({ value, users, user_ids: some })),
    created_on: date(createdAt),
  }
}
