import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child, PropsWithChildren } from 'hono/jsx'
import { missingScope, type Needs } from '../../../access/scopes.ts'
import type { Http } from '../../http.ts'
import { FormToken } from './fields.tsx'

const places: { name: string; path: string; needs: Needs }[] = [
  { name: 'Groups', path: '/console/groups', needs: 'groups:read' },
  { name: 'Experiments', path: '/console/experiments', needs: 'experiments:read' },
  { name: 'Audiences', path: '/console/audiences', needs: 'audiences:read' },
  { name: 'Households', path: '/console/households', needs: 'groups:read' },
  { name: 'People', path: '/console/people', needs: [['users:read', 'groups:read']] },
  { name: 'Webhooks', path: '/console/webhooks', needs: 'webhooks:read' },
  { name: 'Activity', path: '/console/activity', needs: [['audit:read', 'webhooks:read']] },
  { name: 'Usage', path: '/console/usage', needs: 'groups:read' },
  { name: 'Reference', path: '/console/reference', needs: [] },
]

/** Whether who is signed in may do something: what they may not is not shown. */
export const may = (c: Context<Http>, needs: Needs): boolean =>
  missingScope(needs, c.var.caller.scopes) === undefined

interface PageProps {
  c: Context<Http>
  title: string
  /** One line that says what the page is about. */
  about?: Child
  /** The one main action, at the right. */
  action?: Child
  /** The page above this one. */
  up?: { name: string; path: string }
  /** The place in the menu that it belongs to, where its path does not say so. */
  place?: string
}

/** A page of somebody who is signed in. */
export function Page(props: PropsWithChildren<PageProps>) {
  const { c, title, about, action, up, place = c.req.path, children } = props
  return (
    <Document title={title}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Nav c={c} here={place} />
      <main id="main">
        {up && (
          <nav class="crumbs" aria-label="Above this page">
            <a href={up.path}>
              <bdi>{up.name}</bdi>
            </a>
          </nav>
        )}
        <header class="title">
          <div>
            <h1>
              <bdi>{title}</bdi>
            </h1>
            {about && <p class="about">{about}</p>}
          </div>
          {action && <div class="actions">{action}</div>}
        </header>
        {children}
      </main>
    </Document>
  )
}

function Nav({ c, here }: { c: Context<Http>; here: string }) {
  const { caller, workspace, who } = c.var
  return (
    <details class="nav" open>
      <summary>
        Workspace {workspace} <span>Menu ▾</span>
      </summary>
      <nav aria-label="Console">
        <p class="workspace">Workspace {workspace}</p>
        <ul>
          {places
            .filter(({ needs }) => may(c, needs))
            .map(({ name, path }) => (
              <li>
                <a href={path} aria-current={here.startsWith(path) ? 'page' : undefined}>
                  {name}
                </a>
              </li>
            ))}
        </ul>
        <form class="who" method="post" action="/console/sign-out">
          <FormToken c={c} />
          <a href="/console/settings" title={`Client ${caller.client}`}>
            <bdi>{who}</bdi>
          </a>
          <button class="plain">Sign out</button>
        </form>
      </nav>
    </details>
  )
}

/** What a page needs in a browser beyond all others: a file of `browser/`. */
export const Script = ({ name }: { name: 'upload' | 'rule-builder' }) => (
  <script type="module" src={`/console/assets/${name}.js`}></script>
)

/** The document around any page; the browser's parts are served as files, as no page has code of its own. */
export function Document({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <>
      {raw('<!doctype html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>{`${title} · Coterie`}</title>
          <link rel="icon" href="/console/assets/icon.svg" type="image/svg+xml" />
          <link rel="stylesheet" href="/console/assets/console.css" />
          <script type="module" src="/console/assets/console.js"></script>
        </head>
        <body>{children}</body>
      </html>
    </>
  )
}
