import type { Problem } from '../../../jobs/problem.ts'

/** Why a row, or a whole file, was refused; browsers say so before a file is sent. */
export const problemWords = (participantMax: number): Record<Problem, string> => ({
  columns: 'More than one column of the file is filled. Keep the one with the ids.',
  format: 'Not readable as an id: quotes, characters or encoding are broken.',
  'gave-up': 'It could not be finished. Nothing of it was applied.',
  header: 'A header in the middle of the file.',
  limit: 'The groups of the workspace would have more participants than they may.',
  'no-row': 'The file has nobody in it.',
  'not-text': 'The file is not text. Save it as CSV in UTF-8, and upload that.',
  'not-kept': 'What the group was before is no longer kept.',
  operation: 'The row says what to do with it. Keep only the ids: you choose what the file does.',
  overtaken: 'The group was changed again before this began.',
  rule: 'The rule of the audience could not be evaluated.',
  'too-long': `The id is longer than ${participantMax} characters.`,
})
