import { Hono, type Context } from 'hono'
import { verifyAssertion } from '../../access/cloudflare-access.ts'
import { atPerson, findClientOf } from '../../access/console-people.ts'
import { closeSession, openSession, useLink } from '../../access/console-sessions.ts'
import type { Caller } from '../../access/tokens.ts'
import { Failure, faultOf } from '../../failure.ts'
import { basicCredentials } from '../basic.ts'
import { boundedBody, textOf } from '../body.ts'
import { authenticatedClient } from '../client.ts'
import type { Http } from '../http.ts'
import { originOf } from '../origin.ts'
import { limitedByAddress } from '../rate-limit.ts'
import { sentenceOf } from './errors.tsx'
import { form } from './form.ts'
import { Document } from './parts/page.tsx'
import { Refused, TextField, type FormError } from './parts/fields.tsx'
import { enter, forgetCookie, fromOwnPage, ownPath, secretOf, signedIn } from './session.ts'

const limited = limitedByAddress('doors')

/** Ways in and out of the console. */
export const signIn = new Hono<Http>()
  .get('/sign-in', async (c) =>
    c.html(<SignIn to={c.req.query('to')} arrival={await arrivalOf(c)} />),
  )

  .post('/sign-in', limited, fromOwnPage, boundedBody, async (c) => {
    const fields = new URLSearchParams(await textOf(c, 'form'))
    const [id, secret] = [fields.get('client_id') ?? '', fields.get('client_secret') ?? '']
    const to = fields.get('to') ?? undefined
    try {
      const client = await authenticatedClient(c, { id, secret }, 'doors')
      return enter(c, await openSession(c.var.res, client, { kind: 'session' }), ownPath(to))
    } catch (error) {
      if (!(error instanceof Failure) || error.facts.reason !== 'bad-credentials') throw error
      const [, message] = sentenceOf(error.facts)
      return c.html(<SignIn to={to} id={id} error={{ field: 'client_id', message }} />, 401)
    }
  })

  // By a button, as otherwise signing out would sign in.
  .post('/access', limited, fromOwnPage, boundedBody, async (c) => {
    const arrival = await arrivalOf(c)
    if (arrival?.client === undefined)
      throw new Failure({ reason: 'bad-credentials', why: 'wrong' })
    const to = new URLSearchParams(await textOf(c, 'form')).get('to') ?? undefined
    const session = { kind: 'session', person: arrival.email } as const
    const own = await atPerson(c.var.res, arrival.email)
    return enter(c, await openSession(own, arrival.client, session), ownPath(to))
  })

  // A program's: whoever knows a client's secret makes a link for a browser.
  .post('/links', limited, boundedBody, async (c) => {
    const credentials = basicCredentials(c.req.header('authorization') ?? '')
    const client = await authenticatedClient(c, credentials, 'doors')
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
  .post('/enter/:link', limited, fromOwnPage, async (c) =>
    enter(c, await useLink(c.var.res, c.req.param('link')), '/console'),
  )

  .post('/sign-out', signedIn, form, async (c) => {
    await closeSession(c.var.res, secretOf(c))
    forgetCookie(c)
    return c.redirect('/console/sign-in', 303)
  })

/** Somebody whom Cloudflare Access has let through, and the client that they may act as. */
interface Arrival {
  email: string
  client: Pick<Caller, 'client' | 'workspace'> | undefined
}

/** Undefined where nobody came by Cloudflare Access, or it has not signed what it says. */
async function arrivalOf(c: Context<Http>): Promise<Arrival | undefined> {
  const assertion = c.req.header('cf-access-jwt-assertion')
  if (c.var.res.cloudflareAccess === undefined || assertion === undefined) return undefined
  try {
    const email = await verifyAssertion(c.var.res, assertion)
    return { email, client: await findClientOf(await atPerson(c.var.res, email), email) }
  } catch (error) {
    // A secret does as well, also while the team's keys cannot be read.
    if (!(error instanceof Failure))
      console.error(JSON.stringify({ event: 'access-keys-not-read', ...faultOf(error) }))
    return undefined
  }
}

interface SignInProps {
  to?: string | undefined
  id?: string
  arrival?: Arrival | undefined
  error?: FormError
}

function SignIn({ to, id, arrival, error }: SignInProps) {
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
        {arrival && <Arrived to={to} arrival={arrival} />}
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

function Arrived({ to, arrival: { email, client } }: { to: string | undefined; arrival: Arrival }) {
  if (client === undefined)
    return (
      <p class="note wait">
        Cloudflare Access knows you as <bdi>{email}</bdi>, but nobody has let you in here yet. Ask
        who holds the admin token, or sign in with a secret.
      </p>
    )
  return (
    <form class="note" method="post" action="/console/access">
      <input type="hidden" name="to" value={ownPath(to)} />
      <button class="main">
        Continue as <bdi>{email}</bdi>
      </button>
    </form>
  )
}
