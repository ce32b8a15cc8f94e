import { Hono, type Context } from 'hono'
import { listAudiences } from '../../../audiences/audiences.ts'
import { priced, type Priced } from '../../../audiences/prices.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { audiencePage } from './audience.tsx'
import { ruleScopes } from './scopes.ts'
import { audiencePerson } from './person.tsx'
import { audienceEditing } from './edit.tsx'
import { overlapping } from './overlap.tsx'
import { may, Page } from '../parts/page.tsx'
import { Empty, Status } from '../parts/blocks.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { audiencePath, groupPath } from '../paths.ts'

const size = 50

/** All audiences, and what can be done with one. */
export const audiences = new Hono<Http>()
  .get('/', allows('audiences:read'), async (c) => {
    const { replica, workspace, res } = c.var
    const after = c.req.query('after') ?? ''
    const listed = await listAudiences(replica, workspace, { after, size: size + 1 })
    const shown = await priced(replica, workspace, listed.slice(0, size), res.limits)
    const next = listed.length > size ? shown.at(-1)?.id : undefined
    return c.html(<Audiences c={c} audiences={shown} next={next} />)
  })
  .route('/', overlapping)
  .route('/', audienceEditing)
  .route('/', audiencePerson)
  .route('/', audiencePage)

interface AudiencesProps {
  c: Context<Http>
  audiences: Priced[]
  /** After which the next page begins. */
  next: string | undefined
}

function Audiences({ c, audiences, next }: AudiencesProps) {
  return (
    <Page
      c={c}
      title="Audiences"
      about="Users for whom a rule holds. An audience can fill a group, again and again."
      action={
        <>
          {audiences.length > 1 && (
            <a class="button" href="/console/audiences/overlap">
              Compare two
            </a>
          )}
          {may(c, ruleScopes) && (
            <a class="button main" href="/console/audiences/-/new">
              New audience
            </a>
          )}
        </>
      }
    >
      {audiences.length === 0 ? (
        <Empty title="There is no audience yet">
          <p>
            An audience is a rule, such as “somebody in the household has a dog”. Whoever meets it
            is in.
          </p>
        </Empty>
      ) : (
        <List c={c} audiences={audiences} />
      )}
      {next !== undefined && (
        <nav class="pages" aria-label="Pages">
          <a href={`/console/audiences?after=${encodeURIComponent(next)}`}>Next page</a>
        </nav>
      )}
    </Page>
  )
}

const refreshes = { on_demand: 'by hand', daily: 'every day', weekly: 'every Monday' } as const

function List({ c, audiences }: Omit<AudiencesProps, 'next'>) {
  const now = c.var.res.now()
  const mayRead = may(c, 'groups:read')
  return (
    <Table
      label="Audiences"
      rows={audiences}
      columns={[
        {
          name: 'Name',
          cell: (audience) => (
            <>
              <a href={audiencePath(audience.id)}>
                <bdi>{audience.name}</bdi>
              </a>{' '}
              {audience.cost === null && <Status tone="bad">Rule cannot be evaluated</Status>}
            </>
          ),
        },
        {
          name: 'Users',
          isNumber: true,
          cell: ({ id, name, groupCount }) =>
            mayRead && groupCount !== null ? (
              <Count of={groupCount} />
            ) : (
              <a class="nowrap" href={`${audiencePath(id)}/users`} aria-label={`Count ${name}`}>
                Count
              </a>
            ),
        },
        {
          name: 'Fills the group',
          cell: ({ group, groupName }) =>
            group === null ? (
              <span class="soft">none</span>
            ) : (
              <a href={groupPath(group)}>
                <bdi>{mayRead ? (groupName ?? group) : group}</bdi>
              </a>
            ),
        },
        {
          name: 'Filled',
          cell: ({ group, refresh }) => (group === null ? '' : refreshes[refresh]),
        },
        { name: 'Last change', cell: ({ updatedAt }) => <When at={updatedAt} now={now} /> },
      ]}
    />
  )
}
