import type { Context } from 'hono'
import type { GroupJob } from '../../../experience/jobs.ts'
import { listProblems, problemsMax, type JobProblem } from '../../../jobs/job-problems.ts'
import { cellOf } from '../../../membership/csv-cell.ts'
import type { Http } from '../../http.ts'
import { hrefWith, PageLinks } from '../parts/page-links.tsx'
import { Section } from '../parts/blocks.tsx'
import { Count, count, plural } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { problemWords } from './problem-words.ts'
import { jobPath } from '../paths.ts'

/** Refused rows of a page, and of a piece of their file. */
export const size = 20
const ofPiece = 2000

interface RefusedRowsProps {
  job: GroupJob
  items: JobProblem[]
  total: number
  page: number
  participantMax: number
}

/** The rows that were refused, or what is wrong with a whole file. */
export function RefusedRows({ job, items, total, page, participantMax }: RefusedRowsProps) {
  const path = jobPath(job.id)
  const words = problemWords(participantMax)
  const isFile = job.source === 'participants-file'
  return (
    <Section title={isFile ? 'Refused rows' : 'Who was left out'}>
      <div id="refused">
        {job.badRows > problemsMax && (
          <p class="help">
            {plural(job.badRows, 'row')} were refused; the first {count(problemsMax)} are kept.
          </p>
        )}
        <Table
          label="Refused rows"
          rows={items}
          columns={[
            { name: 'Line', cell: ({ line }) => (line === 0 ? 'All' : <Count of={line} />) },
            { name: 'Text', cell: ({ value }) => value !== null && <bdi class="id">{value}</bdi> },
            { name: 'Reason', cell: ({ problem }) => words[problem] },
          ]}
        />
        <PageLinks
          {...{ page, size, total }}
          href={(page) => `${hrefWith(path, { page })}#refused`}
        />
        <p>
          <a href={`${path}/refused.csv`}>Download the refused rows</a>
        </p>
      </div>
    </Section>
  )
}

/** The refused rows as CSV, a piece at a time, for people to read. */
export function refusedFile(c: Context<Http>, job: GroupJob): ReadableStream<Uint8Array> {
  const words = problemWords(c.var.res.limits.participantMax)
  const encoder = new TextEncoder()
  const sort = { field: 'line', descending: false } as const
  let page = 0
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { items } = await listProblems(c.var.db, job, { page, size: ofPiece, sort })
        const lines = items.map(({ line, problem, value }) =>
          [String(line), value ?? '', words[problem]]
            .map((text) => cellOf(text, 'spreadsheet'))
            .join(','),
        )
        if (page++ === 0) lines.unshift('line,text,reason')
        controller.enqueue(encoder.encode(lines.map((line) => `${line}\n`).join('')))
        if (items.length < ofPiece) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
