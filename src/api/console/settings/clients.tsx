import type { Context } from 'hono'
import type { Client } from '../../../access/clients.ts'
import type { ConsolePerson } from '../../../access/console-people.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Empty, Section } from '../parts/blocks.tsx'
import { FormToken } from '../parts/fields.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { AdminToken } from './page.tsx'

interface ClientsProps {
  c: Context<Http>
  workspace: number
  clients: Client[]
  people: ConsolePerson[]
  /** Of a page of either. */
  size: number
  /** What was done a moment ago. */
  done: string | undefined
}

const pathOf = ({ id }: Client) => `/console/settings/clients/${encodeURIComponent(id)}`

export function Clients(props: ClientsProps) {
  const { c, workspace, clients, size, done } = props
  const now = c.var.res.now()
  return (
    <Page
      c={c}
      title={`Clients of workspace ${workspace}`}
      about="Each has an id, a secret and scopes. Choose one to change its secret, revoke its tokens or delete it."
      up={{ name: 'Settings', path: '/console/settings' }}
      action={
        <a class="button main" href="/console/settings/clients/new">
          New client
        </a>
      }
    >
      {done !== undefined && (
        <p class="note good" role="status">
          {done}
        </p>
      )}
      {clients.length === 0 ? (
        <Empty title="There is no client here">
          <p>A program or a person needs one to use the workspace.</p>
        </Empty>
      ) : (
        <Table
          label="Clients"
          rows={clients}
          columns={[
            {
              name: 'Name',
              cell: (one) => (
                <a href={pathOf(one)}>
                  <bdi>{one.name}</bdi>
                </a>
              ),
            },
            { name: 'Id', cell: ({ id }) => <span class="id">{id}</span> },
            { name: 'Scopes', cell: ({ scopes }) => <Scopes of={scopes} /> },
            { name: 'Made', cell: ({ createdAt }) => <When at={createdAt} now={now} /> },
            { name: 'Ends', cell: (one) => <Ends of={one} now={now} /> },
          ]}
        />
      )}
      <More c={c} workspace={workspace} name="after" after={nextOf(clients, size)?.id} />
      <People {...props} />
    </Page>
  )
}

const nextOf = <One,>(all: One[], size: number): One | undefined =>
  all.length < size ? undefined : all.at(-1)

const Scopes = ({ of }: { of: string[] }) => (
  <details>
    <summary>{of.length}</summary>
    <code>{of.join(' ')}</code>
  </details>
)

function Ends({ of: { expiresAt, formerUntil }, now }: { of: Client; now: number }) {
  return (
    <>
      {expiresAt === null ? 'never' : <When at={expiresAt} now={now} />}
      {formerUntil !== null && formerUntil > now && (
        <small class="block">
          its former secret ends <When at={formerUntil} now={now} />
        </small>
      )}
    </>
  )
}

function People({ c, workspace, people, size }: ClientsProps) {
  const team = c.var.res.cloudflareAccess?.team
  return (
    <Section title="People who come by Cloudflare Access">
      <p class="about">
        {team === undefined
          ? 'Cloudflare Access is not set up for this installation: people sign in by a client’s secret.'
          : `People whom the team ${team} lets through sign in here by e-mail, each as one of the clients.`}
      </p>
      {people.length > 0 && (
        <Table
          label="People"
          rows={people}
          columns={[
            {
              name: 'E-mail',
              cell: ({ email }) => (
                <a href={`/console/settings/people?email=${encodeURIComponent(email)}`}>
                  <bdi>{email}</bdi>
                </a>
              ),
            },
            { name: 'As the client', cell: ({ name, client }) => <bdi title={client}>{name}</bdi> },
          ]}
        />
      )}
      <More c={c} workspace={workspace} name="after_email" after={nextOf(people, size)?.email} />
      <p class="actions">
        <a class="button" href="/console/settings/people">
          Let somebody in
        </a>
      </p>
    </Section>
  )
}

interface MoreProps {
  c: Context<Http>
  workspace: number
  name: 'after' | 'after_email'
  after: string | undefined
}

/** The next page, which takes the token again. */
function More({ c, workspace, name, after }: MoreProps) {
  if (after === undefined) return <></>
  return (
    <form method="post" action="/console/settings/clients">
      <FormToken c={c} />
      <input type="hidden" name="workspace" value={String(workspace)} />
      <input type="hidden" name={name} value={after} />
      <AdminToken error={undefined} />
      <button>Show more</button>
    </form>
  )
}
