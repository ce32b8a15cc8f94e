import type { Context } from 'hono'
import type { Digest } from '../../../audit/digest.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Empty } from '../parts/blocks.tsx'
import { Count } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'

interface DigestsProps {
  c: Context<Http>
  digests: Digest[]
  isLast: boolean
}

/** By which an auditor finds out whether an export is complete and unchanged. */
export function Digests({ c, digests, isLast }: DigestsProps) {
  const last = digests.at(-1)?.day
  return (
    <Page
      c={c}
      title="Signed digests"
      about="A signed checksum of each day that is over. An auditor checks an export against them."
      up={{ name: 'Activity', path: '/console/activity' }}
    >
      {digests.length === 0 ? (
        <Empty title="There is no digest here yet">
          <p>The first is made in the night after the first day of the workspace.</p>
        </Empty>
      ) : (
        <Table
          label="Digests"
          rows={digests}
          columns={[
            { name: 'Day (UTC)', cell: ({ day }) => <time datetime={day}>{day}</time> },
            { name: 'Events', isNumber: true, cell: ({ count }) => <Count of={count} /> },
            { name: 'SHA-256', cell: ({ sha256 }) => <code>{sha256}</code> },
            {
              name: 'Signature',
              cell: ({ signature }) => (
                <details>
                  <summary>Show</summary>
                  <code>{signature}</code>
                </details>
              ),
            },
          ]}
        />
      )}
      {!isLast && last !== undefined && (
        <p class="pages">
          <a href={`/console/activity/digests?after=${last}`}>Later days</a>
        </p>
      )}
    </Page>
  )
}
