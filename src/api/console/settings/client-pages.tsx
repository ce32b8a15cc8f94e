import type { Context } from 'hono'
import type { Client } from '../../../access/clients.ts'
import { scopes } from '../../../access/scopes.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Field, FormToken, Once, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { When } from '../parts/figures.tsx'
import { AdminToken } from './page.tsx'

const up = { name: 'Settings', path: '/console/settings' }

/** A new client, as it was typed. */
export interface TypedClient {
  workspace: string
  name: string
  scopes: string[]
  /** A day. */
  expires: string
}

interface NewClientProps {
  c: Context<Http>
  typed: TypedClient
  error?: FormError
}

export function NewClientPage({ c, typed, error }: NewClientProps) {
  return (
    <Page
      c={c}
      title="New client"
      about="For a program, or for people who sign in to the console. Its secret is shown once."
      up={up}
    >
      <Refused error={error} />
      <form method="post">
        <FormToken c={c} />
        <Once />
        <TextField name="name" label="Name" value={typed.name} error={error} isRequired />
        <TextField
          name="workspace"
          label="Workspace"
          value={typed.workspace}
          error={error}
          isRequired
        />
        <fieldset id="scopes">
          <legend>What it may do</legend>
          {error?.field === 'scopes' && <p class="wrong">{error.message}</p>}
          <div class="scopes">
            {scopes.map((scope) => (
              <label>
                <input
                  type="checkbox"
                  name="scopes"
                  value={scope}
                  checked={typed.scopes.includes(scope)}
                />{' '}
                <code>{scope}</code>
              </label>
            ))}
          </div>
        </fieldset>
        <TextField
          name="expires"
          label="Last day (UTC)"
          type="date"
          help="It gets no tokens after that day. Never, if it is empty."
          value={typed.expires}
          error={error}
        />
        <AdminToken error={error} />
        <button class="main">Create the client</button>
      </form>
    </Page>
  )
}

const actions = [
  ['rotate', 'Give it a new secret', 'Today’s secret works for another day.'],
  ['revoke', 'Revoke its tokens', 'Its tokens, and its sessions here, end within a minute.'],
  ['delete', 'Delete it', 'It gets no more tokens, and those that it has are revoked.'],
] as const

interface ClientPageProps {
  c: Context<Http>
  id: string
  error?: FormError
}

/** Nothing of a client is shown here, as that takes the admin token. */
export function ClientPage({ c, id, error }: ClientPageProps) {
  const chosen = c.var.form?.get('action')
  return (
    <Page c={c} title="Change a client" about={<span class="id">{id}</span>} up={up}>
      <Refused error={error} />
      <form method="post">
        <FormToken c={c} />
        <Once />
        <fieldset id="action">
          <legend>What to do</legend>
          {error?.field === 'action' && <p class="wrong">{error.message}</p>}
          <div class="cards">
            {actions.map(([value, label, help]) => (
              <label class="card">
                <input
                  type="radio"
                  name="action"
                  value={value}
                  checked={value === chosen}
                  required
                />{' '}
                {label}
                <span class="help">{help}</span>
              </label>
            ))}
          </div>
        </fieldset>
        <div class="of-delete">
          <TextField
            name="confirm"
            label="Name of the client"
            help="To delete it, type its name."
            value={c.var.form?.get('confirm') ?? ''}
            error={error}
          />
        </div>
        <AdminToken error={error} />
        <button class="main">Change the client</button>
      </form>
    </Page>
  )
}

interface ClientSecretProps {
  c: Context<Http>
  client: Client & { secret: string }
  isNew?: boolean
}

/** The one time that a secret is shown. */
export function ClientSecret({ c, client, isNew = false }: ClientSecretProps) {
  const now = c.var.res.now()
  return (
    <Page
      c={c}
      title={isNew ? 'The client is made' : 'The secret is new'}
      about="Copy the secret now: it is shown only this once."
      up={up}
    >
      <Field name="id" label={`Id of ${client.name}`}>
        <input id="id" class="id" readonly value={client.id} />
      </Field>
      <Field name="secret" label="Secret">
        <input id="secret" class="id" readonly value={client.secret} />
      </Field>
      {client.formerUntil !== null && (
        <p class="about">
          The former secret stops working <When at={client.formerUntil} now={now} />.
        </p>
      )}
      <p>
        <a class="button main" href="/console/settings">
          I have copied it
        </a>
      </p>
    </Page>
  )
}
