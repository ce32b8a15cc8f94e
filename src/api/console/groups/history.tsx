import type { Context } from 'hono'
import type { Group } from '../../../experience/groups.ts'
import type { GroupRevision } from '../../../experience/revisions.ts'
import type { Http } from '../../http.ts'
import { CountsChart } from './counts-chart.tsx'
import { JobLink } from '../jobs/link.tsx'
import { typeWords } from '../jobs/words.tsx'
import { hrefWith, PageLinks } from '../parts/page-links.tsx'
import { may } from '../parts/page.tsx'
import { Empty, Section } from '../parts/blocks.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { Undo } from './undo.tsx'
import { groupPath } from '../paths.ts'

/** Revisions of a page. */
export const size = 20

interface HistoryProps {
  c: Context<Http>
  group: Group
  revisions: { items: GroupRevision[]; total: number }
  /** How many participants the group had after each of its last changes. */
  counts: number[]
  page: number
}

/** What has become of a group, the newest change first. */
export function History({ c, group, revisions, counts, page }: HistoryProps) {
  const path = groupPath(group.id)
  return (
    <Section title="History">
      {revisions.items.length === 0 ? (
        <Empty title="Nothing has changed this group lately">
          <p>
            Each file that is published shows here: who sent it, when, and how many joined and left.
          </p>
        </Empty>
      ) : (
        <>
          {counts.length > 1 && <CountsChart values={counts} />}
          {revisions.items[0]?.isLive && may(c, 'groups:write') && (
            <Undo c={c} group={group} what="the last" />
          )}
          <Revisions c={c} revisions={revisions.items} />
        </>
      )}
      <PageLinks
        {...{ page, size, total: revisions.total }}
        href={(page) => hrefWith(path, { page })}
      />
      <p>
        <a href={`${path}/jobs`}>All files and syncs, also those that failed or were cancelled</a>
      </p>
    </Section>
  )
}

function Revisions({ c, revisions }: { c: Context<Http>; revisions: GroupRevision[] }) {
  const now = c.var.res.now()
  return (
    <Table
      label="History"
      rows={revisions}
      columns={[
        {
          name: 'Change',
          cell: ({ jobId, type, fileName }) => (
            <>
              <JobLink id={jobId} name={type === 'revert' ? 'Undo' : fileName} />{' '}
              {type !== 'revert' && <span class="soft">{typeWords[type]}</span>}
            </>
          ),
        },
        { name: 'Revision', isNumber: true, cell: ({ revision }) => <Count of={revision} /> },
        { name: 'Joined', isNumber: true, cell: ({ added }) => <Count of={added} /> },
        { name: 'Left', isNumber: true, cell: ({ removed }) => <Count of={removed} /> },
        { name: 'Total', isNumber: true, cell: ({ members }) => <Count of={members} /> },
        { name: 'By', cell: ({ createdBy }) => <bdi>{createdBy}</bdi> },
        { name: 'When', cell: ({ createdAt }) => <When at={createdAt} now={now} /> },
      ]}
    />
  )
}
