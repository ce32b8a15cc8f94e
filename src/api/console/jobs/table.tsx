import type { Context } from 'hono'
import type { GroupJob } from '../../../experience/jobs.ts'
import type { Http } from '../../http.ts'
import { JobLink } from './link.tsx'
import { JobStatus, nameOf, typeWords } from './words.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'

/** Jobs of a group, whatever has become of them. */
export function Jobs({ c, label, jobs }: { c: Context<Http>; label: string; jobs: GroupJob[] }) {
  const now = c.var.res.now()
  return (
    <Table
      label={label}
      rows={jobs}
      columns={[
        {
          name: 'File or sync',
          cell: (job) => <JobLink id={job.id} name={nameOf(job)} />,
        },
        { name: 'What', cell: ({ type }) => typeWords[type] },
        { name: 'Status', cell: (job) => <JobStatus job={job} /> },
        { name: 'By', cell: ({ createdBy }) => <bdi>{createdBy}</bdi> },
        { name: 'When', cell: ({ createdAt }) => <When at={createdAt} now={now} /> },
      ]}
    />
  )
}
