import { z } from 'zod'
import { valueMax } from '../../../identity/attributes.ts'
import { correctionOf, type Correction, type CorrectionRow } from '../../../identity/corrections.ts'
import { isTooLong } from '../../../text.ts'
import { Description } from '../../name.ts'
import { pageSize } from '../../keyset.ts'
import { ShownPlace } from './place.ts'
import { userIdOf } from './users.ts'
import { date } from './values.ts'

const Value = z
  .string()
  .refine((text) => !isTooLong(text, valueMax), `cannot exceed ${valueMax} characters`)
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be text')

const Reason = Description.meta({ description: 'Why, for people.' })

export const CorrectionDraft = z
  .object({
    with: z.string().optional().meta({
      description:
        'The user belongs where this user does, who is neither with another user nor alone.',
    }),
    value: Value.optional().meta({
      description: 'The user belongs with those who have this value, whatever the attribute says.',
    }),
    alone: z.literal(true, 'must be true').optional().meta({
      description: 'The user belongs with nobody.',
    }),
    reason: Reason,
  })
  .refine(
    (draft) => ['with', 'value', 'alone'].filter((name) => Object.hasOwn(draft, name)).length === 1,
    'must have one of with, value and alone',
  )

export const correctionIn = (draft: z.infer<typeof CorrectionDraft>): Correction => {
  if (draft.with !== undefined) return { with: userIdOf(draft.with, 'with') }
  return draft.value === undefined ? { alone: true } : { value: draft.value }
}

export const ShownCorrection = ShownPlace.extend({
  user_id: z.string(),
  reason: z.string().nullable(),
  created_on: z.iso.datetime(),
  created_by: z.string(),
})

export const showCorrection = (row: CorrectionRow): z.infer<typeof ShownCorrection> => ({
  user_id: row.user,
  ...correctionOf(row),
  reason: row.reason,
  created_on: date(row.createdAt),
  created_by: row.actor.name,
})

export const CorrectionsQuery = z.object({
  after: z
    .string()
    .default('')
    .meta({ description: 'The user after whom the page begins: `next` of the page before.' }),
  size: pageSize(1000, 100),
})

export const ShownCorrections = z.object({
  corrections: z.array(ShownCorrection),
  next: z.string().nullable(),
})

export const showCorrections = (
  rows: CorrectionRow[],
  size: number,
): z.infer<typeof ShownCorrections> => ({
  corrections: rows.map(showCorrection),
  next: rows.length < size ? null : (rows.at(-1)?.user ?? null),
})

export const Merge = z.object({
  value: Value.meta({ description: 'The value of the group whose members go.' }),
  into: Value.meta({ description: 'The value of the group that they join; it may be new.' }),
  reason: Reason,
})

export const Split = Merge.extend({
  users: z
    .array(z.string())
    .min(1, 'must be at least 1')
    .max(1000, 'cannot be more than 1000')
    .meta({ description: 'The members who go.' }),
})

export const ShownMerge = z.object({ users_corrected: z.int() })

export const reasonIn = (reason: string | null | undefined): string | null =>
  reason === undefined || reason === null || reason === '' ? null : reason
