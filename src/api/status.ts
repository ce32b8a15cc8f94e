import type { Job, JobState } from '../jobs/job.ts'

/** The state of a job in both dialects. */
export const statuses = {
  waiting: 'CREATED',
  applying: 'PROCESSING',
  sweeping: 'PROCESSING',
  held: 'HELD',
  undoing: 'PROCESSING',
  successful: 'SUCCESSFUL',
  partial: 'PARTIAL_SUCCESS',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<JobState, string>

/** A cancelled job is shown as such while it is undone: nobody sees what is left of it. */
export const statusOf = ({ state, failure }: Pick<Job, 'state' | 'failure'>) =>
  state === 'undoing' && failure === 'cancelled' ? 'CANCELLED' : statuses[state]
