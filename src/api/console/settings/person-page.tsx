import type { Context } from 'hono'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { AdminToken } from './page.tsx'

interface PersonPageProps {
  c: Context<Http>
  email: string | undefined
  error?: FormError
}

/** Who may come by Cloudflare Access, and as which client. */
export function PersonPage({ c, email, error }: PersonPageProps) {
  const isRemoved = c.var.form?.get('action') === 'remove'
  return (
    <Page
      c={c}
      title="Who may sign in"
      about="Whoever comes by Cloudflare Access acts as a client of this installation, with its scopes."
      up={{ name: 'Settings', path: '/console/settings' }}
    >
      <Refused error={error} />
      <form method="post" action="/console/settings/people">
        <FormToken c={c} />
        <TextField name="email" label="E-mail" value={email} error={error} isRequired />
        <fieldset>
          <legend>What to do</legend>
          <label class="choice">
            <input type="radio" name="action" value="add" checked={!isRemoved} /> They may sign in
          </label>
          <label class="choice">
            <input type="radio" name="action" value="remove" checked={isRemoved} /> They may not any
            more, and their sessions end
          </label>
        </fieldset>
        <TextField
          name="client"
          label="Client id"
          help="The client that they act as. Leave it empty to remove somebody."
          value={c.var.form?.get('client') ?? ''}
          error={error}
        />
        <AdminToken error={error} />
        <button class="main">Save</button>
      </form>
    </Page>
  )
}
