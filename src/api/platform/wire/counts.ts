import { z } from 'zod'
import { tokenMax } from '../../../audiences/continue.ts'
import type { Count } from '../../../audiences/questions.ts'
import { canonical } from '../../../text.ts'

export const Cost = {
  cost: z.int().meta({
    description:
      'About the microseconds of a statement about one user with the longest texts: of each ' +
      'condition, times the members that it looks at.',
  }),
  cost_max: z.int().meta({ description: 'A rule that costs more is refused.' }),
}

export interface Limit {
  ruleCostMax: number
}

const costOf = ({ cost }: { cost: number }, { ruleCostMax }: Limit) => ({
  cost,
  cost_max: ruleCostMax,
})

/** Where a count of before goes on. */
export const Continue = z.object({
  continue: z
    .string()
    .max(tokenMax)
    .optional()
    .meta({ description: 'Of `next` in an answer 202 to the same request.' }),
})

export const ShownCount = z.object({ count: z.int(), ...Cost })
export const ShownPreview = z.object({
  count: z.int(),
  sample: z.array(z.string()).max(10),
  ...Cost,
})

const GoingOn = {
  scanned: z.int().meta({ description: 'Users that were looked at; `count` is of them.' }),
  users: z.int().optional().meta({ description: 'Users of the workspace, if known.' }),
  next: z.string().meta({ description: 'Where the same request goes on, as in Location.' }),
}
export const CountGoingOn = ShownCount.extend(GoingOn)
export const PreviewGoingOn = ShownPreview.extend(GoingOn)

export const showCount = (count: Count, limit: Limit): z.infer<typeof ShownCount> => ({
  count: count.all,
  ...costOf(count, limit),
})

export const showPreview = (count: Count, limit: Limit): z.infer<typeof ShownPreview> => ({
  count: count.all,
  sample: count.sample,
  ...costOf(count, limit),
})

export const showGoingOn = (
  { scanned }: Count,
  { users }: NonNullable<Count['next']>,
  next: string,
) => ({ scanned, ...(users !== undefined && { users }), next })

const Named = z.string('is required').transform(canonical)

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
