import type { Job, JobError, UploadType } from './api.ts'
import { bold, dim } from './colour.ts'
import { progress } from './progress.ts'
import { number, since, type Stage } from './stage.ts'

/** Chapter: everybody of a file joins an empty group. */
export async function add(stage: Stage): Promise<void> {
  await uploaded(
    stage,
    'ADD 100,000 participants to the empty group',
    'ADD',
    customers(0, 100_000),
    {
      rows: 100_000,
      added: 100_000,
      members: 100_000,
    },
  )
}

/** Chapter: a REPLACE of the whole group, most of whom are in it already. */
export async function replace(stage: Stage): Promise<void> {
  await uploaded(
    stage,
    'REPLACE them by 100,000, of whom 95,000 are there already',
    'REPLACE',
    customers(5_000, 105_000),
    {
      rows: 100_000,
      added: 5_000,
      removed: 5_000,
      unchanged: 95_000,
      members: 100_000,
    },
  )
}

/** Chapter: people leave, among them some who were never there. */
export async function remove(stage: Stage): Promise<void> {
  await uploaded(
    stage,
    'REMOVE 11,000, of whom 1,000 were never there',
    'REMOVE',
    customers(95_000, 106_000),
    {
      rows: 11_000,
      removed: 10_000,
      unchanged: 1_000,
      members: 90_000,
    },
  )
}

/** Chapter: a file with rows that are refused; the others are applied. */
export async function badRows(stage: Stage): Promise<void> {
  const rows = [
    'customer-200001',
    'customer-200002,gold',
    'customer-200003-of-a-very-long-name',
    '"customer-200004',
    'customer-200005',
  ]
  const job = await uploaded(stage, 'ADD a file of 5 rows, 3 of them bad', 'ADD', rows, {
    rows: 5,
    added: 2,
    refused: 3,
    members: 90_002,
  })
  const errors = await stage.groups.errors(job)
  for (const { lineNbr, errorMsg, value } of errors)
    console.log(`   line ${lineNbr}: ${value}  ${dim(errorMsg)}`)
  stage.expect.compare('the error list', { errors }, { errors: refusals })
}

// The header is line 1.
const refusals: JobError[] = [
  {
    lineNbr: 3,
    errorMsg: 'Incorrect number of columns.  File should only contain 1 column for ParticipantId',
    value: 'customer-200002,gold',
  },
  {
    lineNbr: 4,
    errorMsg: 'ParticipantId cannot be larger than 32 characters',
    value: 'customer-200003-of-a-very-long-name',
  },
  { lineNbr: 5, errorMsg: 'Invalid participant ID format', value: '"customer-200004' },
]

interface Outcome {
  rows: number
  added?: number
  removed?: number
  unchanged?: number
  refused?: number
  /** In the group when the job has ended. */
  members: number
}

/** Uploads a file, follows its job, shows and checks the result, and returns the job's id. */
export async function uploaded(
  stage: Stage,
  title: string,
  type: UploadType,
  ids: string[],
  outcome: Outcome,
): Promise<string> {
  const { groups, group, expect } = stage
  console.log(bold(title))
  const file = Buffer.from(`ParticipantId\n${ids.join('\n')}\n`)

  const sending = progress('upload')
  const upload = { type, name: `${type.toLowerCase()}.csv`, content: pieces(file) }
  const jobId = await groups.upload(group, upload, (bytes) => sending.at(bytes / file.length))
  sending.end(`${number.format(Math.ceil(file.length / 1000))} kB`)

  const start = performance.now()
  const working = progress('job')
  const job = await groups.finished(jobId, 50, ({ progressPercent }) =>
    working.at(progressPercent / 100),
  )
  working.end(`${job.jobStatus} after ${since(start)}`)

  const members = await groups.participantCount(group)
  console.log(`   ${sentence(job)} The group has ${number.format(members)} participants.`)
  const { rows, added = 0, removed = 0, unchanged = 0, refused = 0 } = outcome
  expect.compare<Job>(title, job, {
    jobStatus: refused > 0 ? 'PARTIAL_SUCCESS' : 'SUCCESSFUL',
    totalRecordsCount: rows,
    successRecordsCount: rows - refused,
    failedRecordsCount: refused,
    addedCount: added,
    removedCount: removed,
    unchangedCount: unchanged,
    progressPercent: 100,
  })
  expect.compare(
    title,
    { groupParticipantCount: members },
    { groupParticipantCount: outcome.members },
  )
  return jobId
}

function sentence({ addedCount, removedCount, unchangedCount, failedRecordsCount }: Job): string {
  const parts = Object.entries({
    added: addedCount,
    removed: removedCount,
    unchanged: unchangedCount,
    refused: failedRecordsCount,
  })
  const said = parts
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${number.format(count)} ${what}`)
  return `${said.join(', ')}.`
}

export const customers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `customer-${String(from + i).padStart(6, '0')}`)

export function* pieces(file: Buffer): Generator<Buffer> {
  for (let at = 0; at < file.length; at += 65_536) yield file.subarray(at, at + 65_536)
}
