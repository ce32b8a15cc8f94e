import { z } from 'zod'
import type { Caller } from '../../../access/tokens.ts'
import { percentOfRun, type Run } from '../../../identity/runs.ts'
import { date, dateOrNull } from './values.ts'

const statuses = {
  waiting: 'CREATED',
  normalizing: 'PROCESSING',
  running: 'PROCESSING',
  successful: 'SUCCESSFUL',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
} as const satisfies Record<Run['state'], string>

export const ShownRun = z.object({
  id: z.uuid(),
  status: z.enum(['CREATED', 'PROCESSING', 'SUCCESSFUL', 'FAILED', 'CANCELLED']),
  week: z
    .string()
    .nullable()
    .meta({ description: 'The ISO week of the run; null if it was requested.' }),
  progress_percent: z.int().min(0).max(100),
  users_seated: z.int(),
  users_over_limit: z.int(),
  users_without_value: z.int().meta({
    description:
      'Users whose value of the source attribute is blank, or one that the definition ignores.',
  }),
  largest_groups: z.array(z.object({ value: z.string(), users: z.int() })).meta({
    description:
      'Up to five values that more users have than a group takes, most users first. Such a value ' +
      'often means that there is no value: see ignore_values. None without users:read.',
  }),
  users_corrected: z.int().meta({
    description: 'Users of whom a correction says where they belong, as the run began.',
  }),
  groups: z.int(),
  rows_changed: z.int(),
  cursor: z.string().nullable().meta({
    description:
      'The last value that the run has processed; null once it has succeeded, and without users:read.',
  }),
  created_on: z.iso.datetime(),
  started_on: z.iso.datetime().nullable(),
  ended_on: z.iso.datetime().nullable(),
})

/** Normalizing forms no group yet. */
const cursorOf = ({ state, cursor }: Run) =>
  state === 'successful' || state === 'normalizing' || cursor === '' ? null : cursor

/** Without values of users where the caller may not see them. */
export const showRun = (run: Run, { scopes }: Caller): z.infer<typeof ShownRun> => ({
  id: run.id,
  status: statuses[run.state],
  week: run.week,
  progress_percent: percentOfRun(run),
  users_seated: run.seated,
  users_over_limit: run.overLimit,
  users_without_value: run.withoutValue,
  largest_groups: scopes.includes('users:read') ? (run.largest ?? []) : [],
  users_corrected: run.corrected,
  groups: run.groups,
  rows_changed: run.changed,
  cursor: scopes.includes('users:read') ? cursorOf(run) : null,
  created_on: date(run.createdAt),
  started_on: dateOrNull(run.startedAt),
  ended_on: dateOrNull(run.endedAt),
})
