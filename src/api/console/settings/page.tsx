import type { Context } from 'hono'
import type { ShownSession } from '../../../access/console-sessions.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Facts, Section } from '../parts/blocks.tsx'
import { FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'

/** The field that every change of clients asks for anew. */
export const AdminToken = ({ error }: { error: FormError | undefined }) => (
  <TextField
    name="admin_token"
    label="Admin token"
    type="password"
    help="That of this installation. It is used once, and kept nowhere."
    error={error}
    isRequired
  />
)

interface SettingsProps {
  c: Context<Http>
  /** Undefined: they are not for who asks. */
  sessions: ShownSession[] | undefined
  error?: FormError
}

export function Settings({ c, sessions, error }: SettingsProps) {
  const { caller, who } = c.var
  return (
    <Page c={c} title="Settings" about="Who may use this workspace, and as what.">
      <Refused error={error} />
      <Facts
        of={[
          ['You are', <bdi>{who}</bdi>],
          ['Client', <span class="id">{caller.client}</span>],
          ['Workspace', String(caller.workspace)],
        ]}
      />
      <p class="help">
        You may: <code>{caller.scopes.join(' · ')}</code>
      </p>
      {sessions !== undefined && <Sessions c={c} sessions={sessions} />}
      <Section title="Clients and people">
        <p class="about">
          Programs and people act as clients, each with its scopes. Whoever holds the admin token
          makes them, changes their secrets, and says who may sign in.
        </p>
        <form method="post" action="/console/settings/clients">
          <FormToken c={c} />
          <TextField
            name="workspace"
            label="Workspace"
            value={c.var.form?.get('workspace') ?? String(caller.workspace)}
            error={error}
          />
          <AdminToken error={error} />
          <button class="main">Show the clients</button>
        </form>
      </Section>
    </Page>
  )
}

function Sessions({ c, sessions }: { c: Context<Http>; sessions: ShownSession[] }) {
  const now = c.var.res.now()
  return (
    <Section title="Who is signed in">
      <Table
        label="Who is signed in"
        rows={sessions}
        columns={[
          { name: 'Who', cell: ({ person, name }) => <bdi>{person ?? name}</bdi> },
          { name: 'As the client', cell: ({ name, client }) => <bdi title={client}>{name}</bdi> },
          { name: 'Since', cell: ({ createdAt }) => <When at={createdAt} now={now} /> },
          { name: 'Until', cell: ({ expiresAt }) => <When at={expiresAt} now={now} /> },
        ]}
      />
      <p class="help">To end sessions, revoke the tokens of their client.</p>
    </Section>
  )
}
