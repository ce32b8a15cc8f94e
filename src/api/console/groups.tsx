import { Hono } from 'hono'
import { createGroup, listGroups, type Group } from '../../experience/groups.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { refusedForm } from './errors.tsx'
import { form } from './form.ts'
import { may, Page } from './page.tsx'
import {
  Count,
  Empty,
  FormToken,
  Refused,
  Table,
  TextField,
  When,
  type FormError,
} from './parts.tsx'
import type { Context } from 'hono'

const size = 50

/** All groups, and a new one. */
export const groups = new Hono<Http>()
  .get('/', allows('groups:read'), async (c) => {
    const page = Math.max(0, Number.parseInt(c.req.query('page') ?? '0', 10) || 0)
    const sort = { field: 'name', descending: false } as const
    const found = await listGroups(c.var.replica, c.var.workspace, { page, size, sort })
    return c.html(<Groups c={c} {...found} />)
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
      return c.redirect(`/console/groups/${id}`, 303)
    } catch (error) {
      const refused = refusedForm(error, 'name')
      return c.html(<NewGroup c={c} draft={draft} error={refused.error} />, refused.status)
    }
  })

function Groups({ c, items, total }: { c: Context<Http>; items: Group[]; total: number }) {
  const now = c.var.res.now()
  return (
    <Page
      c={c}
      title="Groups"
      about="Lists of people kept by hand or by an audience. Rollouts and experiments read them."
      action={
        may(c, 'groups:write') && (
          <a class="button main" href="/console/groups/new">
            New group
          </a>
        )
      }
    >
      {total === 0 ? (
        <Empty title="There is no group yet">
          <p>A group is a list of people, such as those who see a feature first.</p>
        </Empty>
      ) : (
        <Table
          label="Groups"
          rows={items}
          columns={[
            { name: 'Name', cell: ({ id, name }) => <a href={`/console/groups/${id}`}>{name}</a> },
            {
              name: 'Participants',
              isNumber: true,
              cell: ({ participantCount }) => <Count of={participantCount} />,
            },
            {
              name: 'Filled by',
              cell: ({ audience }) => (audience === null ? 'files' : 'an audience'),
            },
            { name: 'Last change', cell: ({ updatedAt }) => <When at={updatedAt} now={now} /> },
          ]}
        />
      )}
    </Page>
  )
}

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
      up={{ name: 'Groups', path: '/console/groups' }}
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
