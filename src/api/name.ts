import { z } from 'zod'
import { control, problemOfName, readId, type IdProblem } from '../text.ts'

/** A refinement that refuses what a rule of `text.ts` has a problem with. */
export const checkedBy =
  (problemOf: (text: string) => string | undefined) =>
  (text: string, { addIssue }: z.RefinementCtx): void => {
    const message = problemOf(text)
    if (message !== undefined) addIssue({ code: 'custom', message })
  }

/** A name as it is stored (see text.ts), at most `max` characters. */
export const Name = (max: number) => {
  const sentences: Record<IdProblem, string> = {
    empty: 'must have something visible',
    'too-long': `must be 1 to ${max} characters`,
    format: 'must have something visible and no control characters, and be neither . nor ..',
  }
  return z
    .string()
    .transform((text, { addIssue }) => {
      const read = readId(text, max)
      if ('id' in read) return read.id
      addIssue({ code: 'custom', message: sentences[read.problem] })
      return z.NEVER
    })
    .superRefine(checkedBy(problemOfName))
    .meta({
      description:
        `1 to ${max} characters. White space and invisible characters at its ends are removed; ` +
        'within, invisible and control characters are refused, and so is the form of a UUID.',
    })
}

/** A description, which may have lines. */
export const Description = z
  .string()
  .regex(/^[^\0]{0,255}$/u, 'cannot exceed 255 characters')
  .refine(
    (text) => text.isWellFormed() && !control.test(text.replace(/[\t\n\r]/g, '')),
    'must be text without control characters, but for tabs and line breaks',
  )
  .nullish()
