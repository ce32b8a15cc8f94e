import type { Experiment } from '../../../experiments/experiments.ts'
import type { Tone } from '../parts/blocks.tsx'

export const statuses: Record<Experiment['status'], [Tone, string]> = {
  draft: ['none', 'Draft'],
  running: ['good', 'Running'],
  paused: ['wait', 'Paused'],
  ended: ['none', 'Ended'],
}
