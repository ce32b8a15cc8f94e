import { Hono, type Context } from 'hono'
import { getErasure, listErasures, type Erasure } from '../../../erasure/erasures.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { may, Page } from '../parts/page.tsx'
import { Empty, Facts, Section, Status, type Fact } from '../parts/blocks.tsx'
import { count, Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { erasing } from './erase.tsx'

const size = 50
const up = { name: 'Erasures', path: '/console/people/erasures' }

/** What became of people who were to be erased. */
export const erasures = new Hono<Http>()
  .get('/', allows(erasing), async (c) => {
    const after = c.req.query('after') ?? ''
    const found = await listErasures(c.var.replica, c.var.workspace, { after, size })
    return c.html(<Erasures c={c} erasures={found} after={after} />)
  })

  .get('/:erasure', allows(erasing), async (c) => {
    const erasure = await getErasure(c.var.db, c.var.workspace, c.req.param('erasure'))
    return c.html(<Receipt c={c} erasure={erasure} />)
  })

const erasurePath = ({ id }: { id: string }) => `/console/people/erasures/${id}`

const sum = ({ removed }: Erasure) =>
  Object.values(removed).reduce((total, number) => total + number, 0)

const StatusOf = ({ of: { state } }: { of: Erasure }) =>
  state === 'complete' ? (
    <Status tone="good">Complete</Status>
  ) : (
    <Status tone="wait">Under way</Status>
  )

interface ErasuresProps {
  c: Context<Http>
  erasures: Erasure[]
  after: string
}

function Erasures({ c, erasures, after }: ErasuresProps) {
  const now = c.var.res.now()
  const last = erasures.length < size ? undefined : erasures.at(-1)
  return (
    <Page
      c={c}
      title="Erasures"
      about="People who were erased. Once an erasure is complete, no id is left, here or elsewhere."
      up={{ name: 'People', path: '/console/people' }}
    >
      {erasures.length === 0 ? (
        <Empty title="Nobody has been erased">
          <p>
            To erase a person, <a href="/console/people">look the id up</a>, and go to the end of
            the page.
          </p>
        </Empty>
      ) : (
        <Table
          label="Erasures"
          rows={erasures}
          columns={[
            {
              name: 'Requested',
              cell: (erasure) => (
                <a href={erasurePath(erasure)}>
                  <When at={erasure.createdAt} now={now} />
                </a>
              ),
            },
            { name: 'Status', cell: (erasure) => <StatusOf of={erasure} /> },
            { name: 'People', isNumber: true, cell: ({ people }) => <Count of={people} /> },
            {
              name: 'Removed',
              isNumber: true,
              cell: (erasure) => <Count of={sum(erasure)} />,
            },
          ]}
        />
      )}
      <p class="pages">
        {after !== '' && <a href={up.path}>Newest erasures</a>}
        {last !== undefined && <a href={`${up.path}?after=${last.id}`}>Older erasures</a>}
      </p>
    </Page>
  )
}

/** What is under way, until it is complete: then what was removed. */
function Receipt({ c, erasure }: { c: Context<Http>; erasure: Erasure }) {
  const { id, people, personHash, createdAt, endedAt } = erasure
  const now = c.var.res.now()
  const isOver = endedAt !== null
  return (
    <Page
      c={c}
      title={people === 1 ? 'Erasure of a person' : `Erasure of ${count(people)} people`}
      about={
        isOver
          ? 'Nothing is left but this receipt.'
          : 'Nothing can be looked up any more. The rest is removed now.'
      }
      up={up}
    >
      <div id="receipt" data-live={isOver ? undefined : 'true'}>
        {!isOver && (
          <div class="note wait" role="status">
            <p class="strong">{underWay(erasure)}</p>
            <p>
              This takes some seconds, and longer where large uploads came before. You may leave
              this page: it goes on. <a href={erasurePath(erasure)}>Look again</a>
            </p>
          </div>
        )}
        <Facts
          of={[
            ['Status', <StatusOf of={erasure} />],
            ['Requested', <When at={createdAt} now={now} />],
            ['Completed', isOver ? <When at={endedAt} now={now} /> : 'not yet'],
          ]}
        />
        <Section title={isOver ? 'Removed' : 'Removed so far'}>
          <Removed erasure={erasure} />
        </Section>
      </div>
      <Section title="To prove it">
        <p class="help">
          {personHash === null
            ? 'An erasure by a file is known by its number.'
            : 'The mark stands for the person, here and in the activity. Nobody can tell the id from it.'}
        </p>
        <Facts
          of={[
            ['Number', <span class="id">{id}</span>],
            ...(personHash === null
              ? []
              : [['Mark of the person', <span class="id">{personHash}</span>] satisfies Fact]),
          ]}
        />
        {may(c, 'audit:read') && (
          <p>
            <a href="/console/activity">Activity</a> keeps the receipt, signed with all of its day.
          </p>
        )}
      </Section>
    </Page>
  )
}

const underWay = ({ state }: Erasure): string =>
  state === 'waiting'
    ? 'It waits for uploads that came before'
    : state === 'receipt'
      ? 'The receipt is being written'
      : 'All that is kept is being searched'

const kinds: Record<string, string> = {
  users: 'Users',
  attributes: 'Attributes',
  households: 'Places in households',
  memberships: 'Memberships of groups',
  former_memberships: 'Former memberships',
  forced_variants: 'Forced variants',
  exposures: 'Exposures',
  refused_rows: 'Refused rows of files',
  file_names: 'Names of files',
  files: 'Files',
  answers: 'Answers of webhooks',
}

function Removed({ erasure }: { erasure: Erasure }) {
  const order = Object.keys(kinds)
  const rows = Object.entries(erasure.removed)
    .filter(([, number]) => number > 0)
    .toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b))
  if (rows.length === 0)
    return (
      <p class="soft">
        {erasure.endedAt === null ? 'Nothing yet.' : 'Nothing was kept of this id.'}
      </p>
    )
  return (
    <Table
      label="Removed"
      rows={rows}
      columns={[
        { name: 'What', cell: ([kind]) => kinds[kind] ?? kind.replaceAll('_', ' ') },
        { name: 'How many', isNumber: true, cell: ([, number]) => <Count of={number} /> },
      ]}
    />
  )
}
