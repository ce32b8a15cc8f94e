import type { JobState } from '../jobs/job.ts'

/** The state of a job in both dialects. */
export const statuses = {
  waiting: 'CREATED',
  applying: 'PROCESSING',
  sweeping: 'PROCESSING',
  undoing: 'PROCESSING',
  successful: 'SUCCESSFUL',
  partial: 'PARTIAL_SUCCESS',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<JobState, string>
