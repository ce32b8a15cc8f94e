import { z } from 'zod'
import { WholeNumber } from './whole-number.ts'

/** The number of items of a page. */
export const pageSize = (most: number, usual: number) => WholeNumber(1, most).default(usual)

/** A page of a list in the order of its items' ids. */
export const KeysetQuery = (item: string, which = '`next` of the page before') =>
  z.object({
    after: z
      .string()
      .default('')
      .meta({
        description: `The ${item} after which the page begins: ${which}.`,
      }),
    size: pageSize(10_000, 1000),
  })

/** How a list is written as CSV. */
export const FileFor = z
  .enum(['upload', 'spreadsheet'], 'must be upload or spreadsheet')
  .default('upload')
  .meta({
    description:
      'Of a list as text/csv. upload: a file that can be uploaded again. spreadsheet: a file to ' +
      "read; an apostrophe stands before ids that begin with =, +, -, @ or ', so that no " +
      'spreadsheet takes them for formulas.',
  })
