import { z } from 'zod'

/** What a number that is none, too small or too large is told. */
interface Sentences {
  none: string
  small: string
  large: string
}

const sentencesOf = (min: number, max: number): Sentences => ({
  none: 'must be a whole number',
  small: `must be at least ${min}`,
  large: `cannot be more than ${max}`,
})

/** A whole number in a query, in digits alone: `Number` takes 0x10, 1e3 and nothing at all, too. */
export const WholeNumber = (min: number, max: number, sentences = sentencesOf(min, max)) =>
  z
    .string(sentences.none)
    .transform((text, { addIssue }) => {
      if (/^-?\d{1,16}$/.test(text)) return Number(text)
      addIssue({ code: 'custom', message: sentences.none })
      return z.NEVER
    })
    .pipe(z.number().min(min, sentences.small).max(max, sentences.large))
    .meta({ type: 'integer', minimum: min, maximum: max })
