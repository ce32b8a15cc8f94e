import { Hono, type Context } from 'hono'
import { createGroup, type GroupField } from '../../../experience/groups.ts'
import { listGroupsWithCounts, type NamedGroup } from '../../../experience/revisions.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { AudienceLink } from '../audiences/link.tsx'
import { Sparkline } from './counts-chart.tsx'
import { refusedForm } from '../errors.tsx'
import { form } from '../form.ts'
import { group } from './group.tsx'
import { groupSettings } from './settings.tsx'
import { hrefWith, PageLinks, pageNumber } from '../parts/page-links.tsx'
import { may, Page } from '../parts/page.tsx'
import { Empty } from '../parts/blocks.tsx'
import { FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { groupPath } from '../paths.ts'
import { undo } from './undo.tsx'
import { upload } from './upload.tsx'

const size = 30
const path = '/console/groups'

/** What the list is sorted by, as the address names it, and what it is sorted by at first. */
const sorts: Record<string, { field: GroupField; descending: boolean }> = {
  name: { field: 'name', descending: false },
  participants: { field: 'participants', descending: true },
  changed: { field: 'updatedAt', descending: true },
}

/** All groups, and a new one. */
export const groups = new Hono<Http>()
  .get('/', allows('groups:read'), async (c) => {
    const { replica, workspace } = c.var
    const query = queryOf(c)
    const found = await listGroupsWithCounts(replica, workspace, { ...query, size })
    return c.html(<Groups c={c} {...found} query={query} />)
  })

  .get('/new', allows('groups:write'), (c) => c.html(<NewGroup c={c} />))

  .post('/new', allows('groups:write'), form, async (c) => {
    const fields = c.var.form
    const draft = {
      name: fields.get('name') ?? '',
      description: fields.get('description') ?? '',
      type: 'EXPERIENCE_GROUP',
      platform: 'RETAIL_BANKING',
    }
    try {
      const { id } = await createGroup(c.var.res, c.var.workspace, draft)
      return c.redirect(groupPath(id), 303)
    } catch (error) {
      const refused = refusedForm(error, 'name')
      return c.html(<NewGroup c={c} draft={draft} error={refused.error} />, refused.status)
    }
  })

  .route('/', upload)
  .route('/', undo)
  .route('/', groupSettings)
  .route('/', group)

interface Query {
  search: string
  page: number
  /** As the address names it, a minus before it for the other way round. */
  order: string
  sort: { field: GroupField; descending: boolean }
}

function queryOf(c: Context<Http>): Query {
  const order = c.req.query('sort') ?? ''
  const known = Object.hasOwn(sorts, order.replace(/^-/, '')) ? order : 'name'
  const sort = sorts[known.replace(/^-/, '')] ?? { field: 'name', descending: false }
  const descending = known.startsWith('-') ? !sort.descending : sort.descending
  const search = (c.req.query('q') ?? '').trim()
  return { search, page: pageNumber(c), order: known, sort: { ...sort, descending } }
}

interface GroupsProps {
  c: Context<Http>
  items: NamedGroup[]
  total: number
  counts: Map<string, number[]>
  query: Query
}

function Groups({ c, items, total, counts, query }: GroupsProps) {
  const { search, page, order } = query
  const href = (page: string) => hrefWith(path, { q: search, sort: sortOf(order), page })
  return (
    <Page
      c={c}
      title="Groups"
      about="Lists of people kept by hand or by an audience. Rollouts and experiments read them."
      action={
        may(c, 'groups:write') && (
          <a class="button main" href={`${path}/new`}>
            New group
          </a>
        )
      }
    >
      {(total > 0 || search !== '') && <Search search={search} order={order} />}
      {items.length === 0 && search === '' && page === 0 && (
        <Empty title="There is no group yet">
          <p>
            A group is a list of people, such as those who see a feature first. Make one, then
            upload a file of ids.
          </p>
        </Empty>
      )}
      {items.length === 0 && search !== '' && (
        <Empty title="No group is called so">
          <p>
            No name has <bdi>“{search}”</bdi> in it. <a href={path}>Show all groups</a>
          </p>
        </Empty>
      )}
      {items.length > 0 && (
        <Table label="Groups" rows={items} columns={columnsOf(c, { counts, query })} />
      )}
      <PageLinks {...{ page, size, total, href }} />
    </Page>
  )
}

const sortOf = (order: string) => (order === 'name' ? '' : order)

function columnsOf(
  c: Context<Http>,
  { counts, query }: Pick<GroupsProps, 'counts' | 'query'>,
): Column<NamedGroup>[] {
  const now = c.var.res.now()
  const sort = (by: string): NonNullable<Column<NamedGroup>['sort']> => {
    const { order, search, sort } = query
    const isBy = order.replace(/^-/, '') === by
    const next = order === by ? `-${by}` : by
    const href = hrefWith(path, { q: search, sort: sortOf(next) })
    return { href, order: isBy ? (sort.descending ? 'descending' : 'ascending') : undefined }
  }
  return [
    {
      name: 'Name',
      cell: ({ id, name }) => (
        <a href={groupPath(id)}>
          <bdi>{name}</bdi>
        </a>
      ),
      sort: sort('name'),
    },
    {
      name: 'Participants',
      isNumber: true,
      cell: ({ participantCount }) => <Count of={participantCount} />,
      sort: sort('participants'),
    },
    { name: 'Trend', cell: ({ id }) => <Sparkline values={counts.get(id)} /> },
    {
      name: 'Filled by',
      cell: ({ audience, audienceName: name }) =>
        audience === null ? 'Files' : <AudienceLink {...{ c, id: audience, name }} />,
    },
    {
      name: 'Last change',
      cell: ({ updatedAt }) => <When at={updatedAt} now={now} />,
      sort: sort('changed'),
    },
  ]
}

const Search = ({ search, order }: { search: string; order: string }) => (
  <form class="search" role="search" action={path}>
    {sortOf(order) !== '' && <input type="hidden" name="sort" value={order} />}
    <input
      type="search"
      name="q"
      value={search}
      aria-label="Part of a group’s name"
      placeholder="Part of a name"
    />
    <button>Search</button>
  </form>
)

interface NewGroupProps {
  c: Context<Http>
  draft?: { name: string; description: string }
  error?: FormError
}

function NewGroup({ c, draft, error }: NewGroupProps) {
  return (
    <Page
      c={c}
      title="New group"
      about="It starts empty. You add people by a file."
      up={{ name: 'Groups', path }}
    >
      <Refused error={error} />
      <form method="post">
        <FormToken c={c} />
        <TextField name="name" label="Name" value={draft?.name} error={error} isRequired />
        <TextField
          name="description"
          label="Description"
          help="What the group is for. Optional."
          value={draft?.description}
          error={error}
        />
        <button class="main">Create the group</button>
      </form>
    </Page>
  )
}
