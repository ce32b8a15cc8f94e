import { z } from 'zod'
import type { Balance } from '../../../experiments/balance.ts'
import { p, srm } from './fit.ts'

export const ShownBalance = z.object({
  version: z.int().meta({ description: 'The version of the experiment that was counted.' }),
  revision: z
    .int()
    .nullable()
    .meta({ description: 'The revision of its group; null before anything was counted.' }),
  status: z.enum(['none', 'waiting', 'counting', 'complete']).meta({
    description:
      'none: nobody has requested a balance; waiting, counting: one is computed, and all else is ' +
      'of the one before; complete: this is the last that was requested.',
  }),
  members: z.int().nullable().meta({ description: 'All members of the group.' }),
  variants: z
    .array(
      z.object({
        id: z.string(),
        expected: z.number().nullable().meta({
          description: 'Of all who were drawn into a variant, as many as its weight says.',
        }),
        observed: z
          .int()
          .nullable()
          .meta({
            description:
              'Who was drawn into it, though it may not run yet: participants, or households with ' +
              'members in the group. Forced participants are not drawn.',
          }),
      }),
    )
    .meta({ description: 'In the order of the variants; without numbers before any was counted.' }),
  chi_squared: z.number().nullable(),
  p: z.number().nullable().meta({ description: p }),
  srm: z.boolean().nullable().meta({ description: srm }),
})

export const showBalance = ({
  experiment,
  state,
  result,
}: Balance): z.infer<typeof ShownBalance> => {
  const status = state === null ? 'none' : state === 'due' ? 'waiting' : state
  if (result === undefined)
    return {
      ...{ version: experiment.version, revision: null, status, members: null },
      variants: experiment.variants.map(({ id }) => ({ id, expected: null, observed: null })),
      ...{ chi_squared: null, p: null, srm: null },
    }
  const { version, revision, members, variants, expected } = result
  return {
    ...{ version, revision, status, members },
    variants: variants.map(({ id, observed }, i) => ({ id, expected: expected[i] ?? 0, observed })),
    ...{ chi_squared: result.chiSquared, p: result.p, srm: result.srm },
  }
}
