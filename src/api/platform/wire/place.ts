import { z } from 'zod'

/** Where a user belongs: one of the three. */
export const ShownPlace = z.object({
  with: z.string().optional(),
  value: z.string().optional(),
  alone: z.literal(true).optional(),
})
