import { Hono, type Context } from 'hono'
import {
  listExperiments,
  type Experiment,
  type ListedExperiment,
} from '../../../experiments/experiments.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { experimentFiles } from './files.ts'
import { experimentPage } from './experiment.tsx'
import { percentOf } from './typed.ts'
import { statuses } from './status.ts'
import { experimentEditing } from './edit.tsx'
import { hrefWith, paged, PageLinks, pageNumber } from '../parts/page-links.tsx'
import { may, Page } from '../parts/page.tsx'
import { Empty, Status } from '../parts/blocks.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { experimentPath, groupPath } from '../paths.ts'

const size = 30

/** All experiments, and what can be done with one. */
export const experiments = new Hono<Http>()
  .get('/', allows('experiments:read'), async (c) => {
    const all = await listExperiments(c.var.replica, c.var.workspace)
    return c.html(<Experiments c={c} all={all.reverse()} />)
  })
  .route('/', experimentEditing)
  .route('/', experimentFiles)
  .route('/', experimentPage)

interface ExperimentsProps {
  c: Context<Http>
  all: ListedExperiment[]
}

function Experiments({ c, all }: ExperimentsProps) {
  const chosen = c.req.query('status') ?? ''
  const page = pageNumber(c)
  const found = all.filter(({ status }) => chosen === '' || status === chosen)
  const shown = paged(found, page, size)
  return (
    <Page
      c={c}
      title="Experiments"
      about="Who sees which variant. Compare variants, and show one to more people step by step."
      action={
        may(c, 'experiments:write') && (
          <a class="button main" href="/console/experiments/-/new">
            New experiment
          </a>
        )
      }
    >
      {all.length === 0 ? (
        <Empty title="There is no experiment yet">
          <p>
            An experiment gives each participant of a group one of its variants, always the same.
          </p>
        </Empty>
      ) : (
        <>
          <Filter all={all} chosen={chosen} />
          {shown.length === 0 ? (
            <Empty title="None has this status">
              <p>
                <a href="/console/experiments">Show all of them</a>
              </p>
            </Empty>
          ) : (
            <List c={c} experiments={shown} />
          )}
        </>
      )}
      <PageLinks
        {...{ page, size, total: found.length }}
        href={(page) => hrefWith('/console/experiments', { status: chosen, page })}
      />
    </Page>
  )
}

const Filter = ({ all, chosen }: { all: Experiment[]; chosen: string }) => (
  <nav class="actions filter" aria-label="By status">
    {[['', 'All'], ...Object.entries(statuses).map(([status, [, word]]) => [status, word])].map(
      ([status = '', word]) => (
        <a
          href={status === '' ? '/console/experiments' : `?status=${status}`}
          aria-current={status === chosen ? 'page' : undefined}
        >
          {word} <Count of={all.filter((one) => status === '' || one.status === status).length} />
        </a>
      ),
    )}
  </nav>
)

const variantsShown = 4

const List = ({ c, experiments }: { c: Context<Http>; experiments: ListedExperiment[] }) => (
  <Table
    label="Experiments"
    rows={experiments}
    columns={[
      {
        name: 'Name',
        cell: ({ id, name }) => (
          <a href={experimentPath(id)}>
            <bdi>{name}</bdi>
          </a>
        ),
      },
      {
        name: 'Status',
        cell: ({ status }) => <Status tone={statuses[status][0]}>{statuses[status][1]}</Status>,
      },
      {
        name: 'Variants',
        cell: ({ variants }) => <VariantList variants={variants} />,
      },
      { name: 'Traffic', isNumber: true, cell: ({ traffic }) => `${percentOf(traffic)}\u00a0%` },
      {
        name: 'Group',
        cell: ({ group, groupName }) =>
          group === null ? (
            <span class="soft">everybody</span>
          ) : (
            <a href={groupPath(group)}>
              <bdi>{may(c, 'groups:read') ? (groupName ?? group) : group}</bdi>
            </a>
          ),
      },
      {
        name: 'Last change',
        cell: ({ updatedAt }) => <When at={updatedAt} now={c.var.res.now()} />,
      },
    ]}
  />
)

const VariantList = ({ variants }: Pick<Experiment, 'variants'>) => (
  <ul class="wide">
    {variants.slice(0, variantsShown).map(({ id, from, to }) => (
      <li>
        {id} <span class="soft">{`${percentOf(to - from)}\u00a0%`}</span>
      </li>
    ))}
    {variants.length > variantsShown && <li>and {variants.length - variantsShown} more</li>}
  </ul>
)
