import { Hono } from 'hono'
import { closeSession, openSession, useLink } from '../../access/console-sessions.ts'
import { Failure } from '../../failure.ts'
import { basicCredentials } from '../basic.ts'
import { boundedBody, textOf } from '../body.ts'
import { authenticatedClient } from '../client.ts'
import type { Http } from '../http.ts'
import { originOf } from '../origin.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { sentenceOf } from './errors.tsx'
import { form } from './form.ts'
import { Document } from './page.tsx'
import { Refused, TextField, type FormError } from './parts.tsx'
import { enter, forgetCookie, ownPath, secretOf, signedIn } from './session.ts'

const door = limitedByAddress('doors')

/** Ways in and out of the console. */
export const signIn = new Hono<Http>()
  .get('/sign-in', (c) => c.html(<SignIn to={c.req.query('to')} />))

  .post('/sign-in', door, boundedBody, async (c) => {
    const fields = new URLSearchParams(await textOf(c, 'form'))
    const [id, secret] = [fields.get('client_id') ?? '', fields.get('client_secret') ?? '']
    const to = fields.get('to') ?? undefined
    try {
      const { client } = await authenticatedClient(c, { id, secret }, 'doors')
      return enter(c, await openSession(c.var.res, client, { kind: 'session' }), ownPath(to))
    } catch (error) {
      if (!(error instanceof Failure) || error.facts.reason !== 'bad-credentials') throw error
      const [, message] = sentenceOf(error.facts)
      return c.html(<SignIn to={to} id={id} error={{ field: 'client_id', message }} />, 401)
    }
  })

  // A program's: whoever knows a client's secret makes a link for a browser.
  .post('/links', door, boundedBody, async (c) => {
    const credentials = basicCredentials(c.req.header('authorization') ?? '')
    const { client } = await authenticatedClient(c, credentials, 'doors')
    const link = await openSession(c.var.res, client, { kind: 'link' })
    return c.json({ url: `${originOf(c)}/console/enter/${link}` })
  })

  // Not at once: what only looks at links must not use them up.
  .get('/enter/:link', (c) =>
    c.html(
      <Document title="Sign in">
        <main id="main" class="door">
          <h1>Coterie</h1>
          <p class="about">This link signs you in once.</p>
          <form method="post">
            <button class="main">Continue</button>
          </form>
        </main>
      </Document>,
    ),
  )
  .post('/enter/:link', door, async (c) =>
    enter(c, await useLink(c.var.res, c.req.param('link')), '/console'),
  )

  .post('/sign-out', signedIn, form, async (c) => {
    await closeSession(c.var.res, secretOf(c))
    forgetCookie(c)
    return c.redirect('/console/sign-in', 303)
  })

interface SignInProps {
  to?: string | undefined
  id?: string
  error?: FormError
}

function SignIn({ to, id, error }: SignInProps) {
  return (
    <Document title="Sign in">
      <main id="main" class="door">
        <header class="title">
          <div>
            <h1>Sign in to Coterie</h1>
            <p class="about">With the id and the secret of a client of your workspace.</p>
          </div>
        </header>
        <Refused error={error} />
        <form method="post" action="/console/sign-in">
          <input type="hidden" name="to" value={ownPath(to)} />
          <TextField name="client_id" label="Client id" value={id} error={error} isRequired />
          <TextField name="client_secret" label="Secret" type="password" isRequired />
          <button class="main">Sign in</button>
        </form>
      </main>
    </Document>
  )
}
