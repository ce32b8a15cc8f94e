import type { JobState } from '../jobs/outcome.ts'

/** The state of a file's job, in the words of both faces. */
export const statuses = {
  waiting: 'CREATED',
  applying: 'PROCESSING',
  writing: 'PROCESSING',
  sweeping: 'PROCESSING',
  undoing: 'PROCESSING',
  successful: 'SUCCESSFUL',
  partial: 'PARTIAL_SUCCESS',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<JobState, string>
