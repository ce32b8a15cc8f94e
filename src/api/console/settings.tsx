import { Hono, type Context } from 'hono'
import {
  deleteClient,
  getClient,
  listClients,
  registerClient,
  revokeTokens,
  rotateSecret,
} from '../../access/clients.ts'
import { keepOut, letIn, listPeople } from '../../access/console-people.ts'
import { listSessions } from '../../access/console-sessions.ts'
import { Failure, invalid } from '../../failure.ts'
import { atClient, atWorkspace } from '../../places/directory.ts'
import { atNewWorkspace } from '../../places/settle.ts'
import { actAsAdmin } from '../admin.ts'
import type { Http } from '../http.ts'
import { ClientQuery, draftOf, NewClient } from '../oauth/wire.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { ClientPage, ClientSecret, NewClientPage, type TypedClient } from './client-pages.tsx'
import { Clients } from './clients.tsx'
import { refusedForm } from './errors.tsx'
import { form, type Form } from './form.ts'
import { shaped } from './shape.ts'
import { PersonPage } from './person-page.tsx'
import { Settings } from './settings-page.tsx'

const size = 100
const sessionsMost = 100
const door = limitedByAddress('doors')

/** Who may use the workspace: all but one's own client takes the admin token, which is kept nowhere. */
export const settings = new Hono<Http>()
  .get('/', async (c) => c.html(<Settings c={c} sessions={await sessionsOf(c)} />))

  .post('/clients', door, form, async (c) => {
    try {
      await asAdmin(c)
      return c.html(await clientsPage(c))
    } catch (error) {
      const { error: refused, status } = refusedForm(error, 'admin_token', {
        workspace_id: 'workspace',
      })
      const sessions = await sessionsOf(c)
      return c.html(<Settings c={c} sessions={sessions} error={refused} />, status)
    }
  })

  .get('/clients/new', (c) => c.html(<NewClientPage c={c} typed={typedClient(c)} />))

  .post('/clients/new', door, form, async (c) => {
    const typed = typedClient(c)
    try {
      await asAdmin(c)
      const draft = readClient(typed)
      const res = await atNewWorkspace(c.var.res, draft.workspace_id)
      const client = await registerClient(res, draft.workspace_id, draftOf(draft))
      return c.html(<ClientSecret c={c} client={client} isNew />)
    } catch (error) {
      const refused = refusedForm(error, 'name', {
        expires_on: 'expires',
        workspace_id: 'workspace',
      })
      return c.html(<NewClientPage c={c} typed={typed} error={refused.error} />, refused.status)
    }
  })

  .get('/clients/:id', (c) => c.html(<ClientPage c={c} id={c.req.param('id')} />))

  .post('/clients/:id', door, form, async (c) => {
    const id = c.req.param('id')
    try {
      await asAdmin(c)
      return c.html(await changed(c, id))
    } catch (error) {
      const refused = refusedForm(error, 'action')
      return c.html(<ClientPage c={c} id={id} error={refused.error} />, refused.status)
    }
  })

  .get('/people', (c) => c.html(<PersonPage c={c} email={c.req.query('email')} />))

  .post('/people', door, form, async (c) => {
    const fields = c.var.form
    const email = fields.get('email') ?? ''
    try {
      await asAdmin(c)
      if (fields.get('action') === 'remove') await keepOut(c.var.res, email)
      else await found(letIn(c.var.res, email, fields.get('client') ?? ''))
      return c.html(await clientsPage(c, 'Who may sign in is changed.'))
    } catch (error) {
      const refused = refusedForm(error, 'email')
      return c.html(<PersonPage c={c} email={email} error={refused.error} />, refused.status)
    }
  })

/** Throws `invalid` for the field. */
async function asAdmin(c: Context<Http>): Promise<void> {
  await actAsAdmin(c, c.var.form.get('admin_token') ?? '').catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error
    throw invalid('admin_token', 'is not the admin token of this installation')
  })
}

/** What was typed names no client: the form is shown again. */
const found = (work: Promise<void>): Promise<void> =>
  work.catch((error: unknown) => {
    if (!(error instanceof Failure) || error.facts.reason !== 'not-found') throw error
    throw invalid('client', 'is not the id of a client')
  })

const sessionsOf = async ({ var: { res, db, workspace, caller } }: Context<Http>) =>
  caller.scopes.includes('audit:read')
    ? listSessions(db, workspace, { now: res.now(), most: sessionsMost })
    : undefined

/** The clients and people of a workspace, to who has typed the admin token. */
async function clientsPage(c: Context<Http>, done?: string) {
  const { res, form } = c.var
  const { workspace_id = c.var.workspace, after } = shaped(ClientQuery, {
    ...(form.get('workspace') && { workspace_id: form.get('workspace') }),
    after: form.get('after') ?? '',
  })
  const { database } = await atWorkspace(res, workspace_id)
  const [clients, people] = await Promise.all([
    listClients(res, workspace_id, { after, size }),
    listPeople(database, workspace_id, { after: form.get('after_email') ?? '', size }),
  ])
  return <Clients c={c} {...{ workspace: workspace_id, clients, people, size, done }} />
}

/** Does to a client what was chosen. Throws `invalid`, `not-found`. */
async function changed(c: Context<Http>, id: string) {
  const { form } = c.var
  const res = await atClient(c.var.res, id)
  switch (form.get('action')) {
    case 'rotate':
      return <ClientSecret c={c} client={await rotateSecret(res, id)} />
    case 'revoke':
      await revokeTokens(res, id)
      return clientsPage(c, 'All tokens of the client are revoked, and its sessions have ended.')
    case 'delete': {
      const { name } = await getClient(res, id)
      if (form.get('confirm')?.trim() !== name)
        throw invalid('confirm', 'is not the name of the client')
      await deleteClient(res, id)
      return clientsPage(c, 'The client is deleted.')
    }
    default:
      throw new Failure({ reason: 'required', field: 'action' })
  }
}

const typedClient = (c: Context<Http>): TypedClient => {
  const fields: Form = c.var.form ?? new URLSearchParams()
  return {
    workspace: fields.get('workspace') ?? String(c.var.workspace),
    name: fields.get('name') ?? '',
    scopes: fields.getAll('scopes'),
    expires: fields.get('expires') ?? '',
  }
}

/** Throws what the API throws for the same. */
const readClient = ({ workspace, name, scopes, expires }: TypedClient) =>
  shaped(NewClient, {
    workspace_id: /^\d{1,15}$/.test(workspace) ? Number(workspace) : workspace,
    name,
    scopes,
    // Through the whole of the day.
    ...(expires !== '' && { expires_on: `${expires}T23:59:59Z` }),
  })
