import { Hono, type Context } from 'hono'
import { issuePageToken } from '../../access/console-token.ts'
import type { Http } from '../http.ts'
import { originOf } from '../origin.ts'
import { form } from './form.ts'
import { Page } from './parts/page.tsx'
import { FormToken } from './parts/fields.tsx'

/** The API, to read and to try. */
export const reference = new Hono<Http>()
  .get('/', (c) => c.html(<Reference c={c} />))

  // For the page alone: another origin can neither send the form nor read the answer.
  .post('/token', form, async (c) => {
    const { token, lifetime } = await issuePageToken(c.var.res, c.var.caller, originOf(c))
    return c.json({ access_token: token, expires_in: lifetime })
  })

const assets = '/console/assets'

function Reference({ c }: { c: Context<Http> }) {
  return (
    <Page
      c={c}
      title="Reference"
      about="Everything that programs can ask and do. What you try here is done for real, with your scopes."
      action={
        <a class="button" href="/openapi.json">
          The document
        </a>
      }
    >
      <link rel="stylesheet" href={`${assets}/swagger-ui.css`} />
      <link rel="stylesheet" href={`${assets}/reference.css`} />
      <form id="try" method="post" action="/console/reference/token" hidden>
        <FormToken c={c} />
      </form>
      <div id="reference" data-workspace={String(c.var.workspace)}>
        <p class="note">This page needs JavaScript. The document says the same without it.</p>
      </div>
      <script src={`${assets}/swagger-ui-bundle.js`} defer></script>
      <script type="module" src={`${assets}/reference.js`}></script>
    </Page>
  )
}
