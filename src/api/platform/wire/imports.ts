import { z } from 'zod'
import type { OpenedUsersJob } from '../../../identity/users-jobs.ts'
import type { UsersFileJob } from '../../../jobs/job.ts'
import type { JobProblem } from '../../../jobs/job-problems.ts'
import { percentOf } from '../../../jobs/outcome.ts'
import type { Problem } from '../../../jobs/problem.ts'
import { headerField } from '../../describe.ts'
import { FileSha256 } from '../../file-hash.ts'
import { pageSize } from '../../keyset.ts'
import { statuses } from '../../status.ts'
import { WholeNumber } from '../../whole-number.ts'
import { date } from './values.ts'

const usersFile = {
  type: 'string',
  format: 'binary',
  description: 'user_id, then a column for each attribute; an empty cell changes nothing.',
} as const

/** The body of an upload, which is streamed, not validated by a schema. */
export const usersBody = {
  required: true,
  content: {
    'text/csv': { schema: usersFile },
    'multipart/form-data': {
      schema: {
        type: 'object' as const,
        required: ['file'],
        properties: { header: headerField, file: usersFile },
      },
    },
  },
}

const once = z.string('must be given once')

export const UsersFileQuery = z.object({
  header: z
    .string()
    .optional()
    .meta({
      description:
        'present: the first row names the columns; absent: the file has only ids; auto: the first ' +
        'row must name the columns, the first of them as a column of ids.',
    }),
  mode: once.optional().meta({ description: 'apply. Another one is refused.' }),
  maxRemovePercent: once.optional().meta({ description: 'Refused: users are not removed.' }),
  fileName: z
    .string()
    .default('users.csv')
    .meta({ description: 'The name of the file, if the body is the file itself.' }),
})

export const ShownImport = z.object({
  id: z.uuid(),
  status: z.enum(Object.values(statuses)),
  file_name: z.string(),
  file_sha256: FileSha256.nullable(),
  rows: z.int(),
  rows_refused: z.int(),
  users_created: z.int(),
  attributes_changed: z.int(),
  progress_percent: z.int().min(0).max(100),
  details: z.string().nullable(),
  created_by: z.string(),
  created_on: z.iso.datetime(),
  last_modified_on: z.iso.datetime(),
})

const failures: Record<NonNullable<UsersFileJob['failure']>, string> = {
  'no-good-row': 'No row has a user_id and a cell for each column: see the errors.',
  header:
    'The first row must be user_id, then up to 100 different attribute names, and ' +
    'none that a group definition shares.',
  'gave-up': 'The file could not be finished. Rows that were written stay. Upload the file again.',
  withdrawn: 'The file was withdrawn.',
  cancelled: 'The file was withdrawn.',
  'not-text':
    'The file is not text: it has a NUL byte. Save it as CSV in UTF-8. Nothing of it was applied.',
  'mostly-bad': 'Too many rows were refused.',
  rule: 'The rule of the audience could not be evaluated.',
  limit: 'The limits of the workspace are reached.',
  overtaken: 'Another revision went live before.',
  'not-kept': 'The revision before is no longer kept.',
}

export const showImport = (job: UsersFileJob): z.infer<typeof ShownImport> => ({
  id: job.id,
  status: statuses[job.state],
  file_name: job.fileName,
  file_sha256: job.fileSha256,
  rows: job.rows,
  rows_refused: job.badRows,
  users_created: job.usersCreated,
  attributes_changed: job.attributesChanged,
  progress_percent: percentOf(job),
  details: job.failure === null ? null : failures[job.failure],
  created_by: job.createdBy,
  created_on: date(job.createdAt),
  last_modified_on: date(job.updatedAt),
})

export const showOpenedImport = (job: OpenedUsersJob): z.infer<typeof ShownImport> => ({
  id: job.id,
  status: statuses.waiting,
  file_name: job.fileName,
  file_sha256: job.fileSha256,
  rows: 0,
  rows_refused: 0,
  users_created: 0,
  attributes_changed: 0,
  progress_percent: 0,
  details: null,
  created_by: job.createdBy,
  created_on: date(job.createdAt),
  last_modified_on: date(job.createdAt),
})

export const ImportsQuery = z.object({
  before: WholeNumber(0, Number.MAX_SAFE_INTEGER)
    .default(Number.MAX_SAFE_INTEGER)
    .meta({ description: '`next` of the page before.' }),
  size: pageSize(100, 20),
})

export const ShownImports = z.object({ imports: z.array(ShownImport), next: z.int().nullable() })

export const showImports = (jobs: UsersFileJob[], size: number): z.infer<typeof ShownImports> => ({
  imports: jobs.map(showImport),
  next: jobs.length < size ? null : (jobs.at(-1)?.revision ?? null),
})

export const ImportErrorsQuery = z.object({
  page: WholeNumber(0, 10_000).default(0),
  size: pageSize(1000, 100),
})

export const ShownImportErrors = z.object({
  errors: z.array(z.object({ line: z.int(), message: z.string(), value: z.string().nullable() })),
  total: z.int(),
})

const problemSentences: Record<Problem, string> = {
  columns: 'The row has not as many columns as the header',
  format: 'The row is not CSV in UTF-8, or its user_id is empty or has control characters',
  'gave-up': failures['gave-up'],
  header: failures.header,
  limit: 'The workspace has as many users as it may, or the user as many attributes',
  'no-row': 'The file has no user.',
  'not-text': failures['not-text'],
  operation: 'The row has not as many columns as the header',
  'not-kept': failures['not-kept'],
  overtaken: failures.overtaken,
  rule: failures.rule,
  'too-long': 'user_id cannot exceed 64 characters, nor a value 4096',
}

export const showImportErrors = ({
  items,
  total,
}: {
  items: JobProblem[]
  total: number
}): z.infer<typeof ShownImportErrors> => ({
  errors: items.map(({ line, problem, value }) => ({
    line,
    message: problemSentences[problem],
    value,
  })),
  total,
})
