import { z } from 'zod'

/** The sentences for what is not a whole number, too small, or too large. */
interface Sentences {
  notWhole: string
  small: string
  large: string
}

const sentencesOf = (min: number, max: number): Sentences => ({
  notWhole: 'must be a whole number',
  small: `must be at least ${min}`,
  large: `cannot be more than ${max}`,
})

/** A whole number in a query, in digits alone: `Number` takes 0x10, 1e3 and nothing at all, too. */
export const WholeNumber = (min: number, max: number, sentences = sentencesOf(min, max)) =>
  z
    .string(sentences.notWhole)
    .transform((text, { addIssue }) => {
      if (/^-?\d{1,16}$/.test(text)) return Number(text)
      addIssue({ code: 'custom', message: sentences.notWhole })
      return z.NEVER
    })
    .pipe(z.number().min(min, sentences.small).max(max, sentences.large))
    .meta({ type: 'integer', minimum: min, maximum: max })
