import { z } from 'zod'
import {
  daysMost,
  fitOfExposed,
  type Exposed,
  type ExposedDay,
} from '../../../experiments/exposure-counts.ts'
import type { Exposure } from '../../../experiments/resolve-exposures.ts'
import { userMax } from '../../../identity/attributes.ts'
import { readId } from '../../../text.ts'
import { FileFor, KeysetQuery } from '../../keyset.ts'
import { p, srm } from './fit.ts'
import { Time } from './values.ts'

const ParticipantId = z.string().transform((text, { addIssue }) => {
  const read = readId(text, userMax)
  if ('id' in read) return read.id
  addIssue({
    code: 'custom',
    message: `must be 1 to ${userMax} characters, and have none of control`,
  })
  return z.NEVER
})

const Exposure = z.object({
  experiment_id: z.string().meta({ description: 'experiment_id of “Experiment Viewed”.' }),
  participant_id: ParticipantId.meta({ description: 'userId, or anonymousId.' }),
  variant: z.string().meta({ description: 'variation_id of “Experiment Viewed”.' }),
  at: Time.optional().meta({
    description:
      'timestamp: when the participant saw the variant, now if not given. It may be late, and five ' +
      'minutes ahead, which count as now.',
  }),
})

export const Exposures = z.object({
  exposures: z
    .array(Exposure)
    .min(1, 'must hold at least one exposure')
    .max(1000, 'cannot hold more than 1000 exposures'),
})

export const exposureOf = ({
  experiment_id,
  participant_id,
  variant,
  at,
}: z.infer<typeof Exposure>): Exposure => ({
  experiment: experiment_id,
  participant: participant_id,
  variant,
  at: at === undefined ? undefined : Date.parse(at),
})

export const ExposuresQuery = KeysetQuery('participant', 'the last of a text/csv that broke off')
  .pick({ after: true })
  .extend({ for: FileFor })

const Participants = z.int().min(0)

export const ShownExposures = z.object({
  version: z.int(),
  variants: z.array(z.object({ id: z.string(), participants: Participants })),
  days: z
    .array(
      z.object({
        day: z.iso.date(),
        variants: z
          .record(z.string(), Participants)
          .meta({ description: 'By id, those with any.' }),
      }),
    )
    .meta({
      description:
        `In UTC, of first exposures; only days with any, and of these the last ${daysMost}. ` +
        'variants counts all days.',
    }),
  chi_squared: z.number().meta({
    description:
      'Of the participants against the weights. Where households are drawn, whose members come ' +
      'together, they count as if each had as many as it may.',
  }),
  p: z.number().meta({ description: p }),
  srm: z.boolean().meta({ description: srm }),
})

export function showExposures(
  exposed: Exposed & { days: ExposedDay[] },
  limits: Parameters<typeof fitOfExposed>[1],
): z.infer<typeof ShownExposures> {
  const fit = fitOfExposed(exposed, limits)
  const { version, variants, days } = exposed
  return {
    version,
    variants: variants.map(({ id, observed }) => ({ id, participants: observed })),
    days: days.map(({ day, variants }) => ({ day, variants: Object.fromEntries(variants) })),
    ...{ chi_squared: fit.chiSquared, p: fit.p, srm: fit.srm },
  }
}
