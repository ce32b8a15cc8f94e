/** The part of swagger-ui-dist that is used here. */
interface Library {
  (options: { spec: object; domNode: Element; [option: string]: unknown }): unknown
}

interface Asked {
  url: string
  headers: Record<string, string>
}

interface Parameter {
  name?: string
  schema?: { default?: unknown }
  example?: unknown
}

interface Document {
  servers?: unknown
  paths: Record<string, Record<string, { parameters?: Parameter[] }>>
}

const place = document.getElementById('reference')
const form = document.querySelector<HTMLFormElement>('#try')

let token: { text: string; until: number } | undefined

/** A token of who is signed in, for a few minutes; kept by this page alone. */
async function currentToken(): Promise<string> {
  if (token !== undefined && Date.now() < token.until) return token.text
  const fields = new URLSearchParams()
  for (const [name, value] of new FormData(form ?? undefined)) fields.set(name, String(value))
  const answer = await fetch(form?.action ?? '', { method: 'POST', body: fields })
  if (!answer.ok) {
    location.reload() // to sign in again
    throw new Error('The session is over')
  }
  // As `reference.tsx` answers.
  const { access_token, expires_in } = (await answer.json()) as {
    access_token: string
    expires_in: number
  }
  token = { text: access_token, until: Date.now() + (expires_in - 30) * 1000 }
  return access_token
}

/** Requests to this host go out as who is signed in, unless they say as whom. */
async function signed(asked: Asked): Promise<Asked> {
  const { origin, pathname } = new URL(asked.url, location.href)
  const isSigned = Object.keys(asked.headers).some((name) => name.toLowerCase() === 'authorization')
  if (origin !== location.origin || pathname === '/openapi.json' || isSigned) return asked
  asked.headers['Authorization'] = `Bearer ${await currentToken()}`
  asked.headers['transactionId'] ||= crypto.randomUUID()
  return asked
}

/** What the reader would have to type each time. */
function filledIn(document: Document, workspace: string): Document {
  for (const operations of Object.values(document.paths))
    for (const { parameters = [] } of Object.values(operations))
      for (const parameter of parameters) {
        if (parameter.name === 'workspace_id') parameter.example = workspace
        if (parameter.name === 'transactionId') parameter.example = crypto.randomUUID()
      }
  // There is one, and it is this one.
  delete document.servers
  return document
}

/** A document in which nothing refers to another part of it. */
function inlined(text: string): Document {
  const whole: unknown = JSON.parse(text)
  const named = (reference: string) =>
    reference
      .split('/')
      .slice(1)
      .reduce((part, name) => (isObject(part) ? Reflect.get(part, name) : undefined), whole)
  return JSON.parse(text, (_, value: unknown) =>
    isObject(value) && '$ref' in value ? named(String(value.$ref)) : value,
  ) as Document // as this host says
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** What the library leaves unsaid to those who hear the page. */
function mend(node: HTMLElement): void {
  // Below the title of the page there is a level, and one below that.
  for (const [level, headings] of ['h3', 'h4, h5'].entries())
    for (const heading of node.querySelectorAll(`:is(${headings}):not([aria-level])`))
      heading.setAttribute('aria-level', String(level + 2))
  for (const text of node.querySelectorAll('pre:not([tabindex])'))
    text.setAttribute('tabindex', '0')
}

type Part = string | ((props: LayoutProps) => unknown)

interface LayoutProps {
  getComponent: (name: string, isContainer?: boolean) => Part
}

interface System {
  React: { createElement: (part: Part, props: object | null, ...children: unknown[]) => unknown }
}

interface Spec {
  specActions: { updateResolvedSubtree: (path: string[], value: unknown) => unknown }
  specSelectors: { specJson: () => { getIn: (path: string[]) => unknown } }
}

/** Nothing is left to resolve: the library would do so for seconds all the same. */
const resolved = {
  statePlugins: {
    spec: {
      wrapActions: {
        requestResolvedSubtree:
          (_: unknown, { specActions, specSelectors }: Spec) =>
          (path: string[]) =>
            specActions.updateResolvedSubtree(path, specSelectors.specJson().getIn(path)),
      },
    },
  },
}

/** The page says already what this is, and has its own main part. */
const layout = ({ React: { createElement: h } }: System) => ({
  components: {
    ReferenceLayout: ({ getComponent }: LayoutProps) => {
      const part = (name: string) => h(getComponent(name, name !== 'SvgAssets'), null)
      return h(
        'div',
        { className: 'swagger-ui' },
        part('SvgAssets'),
        part('AuthorizeBtnContainer'),
        part('FilterContainer'),
        part('operations'),
        h('details', null, h('summary', null, 'Events that webhooks are sent'), part('Webhooks')),
      )
    },
  },
})

async function show(node: HTMLElement): Promise<void> {
  new MutationObserver(() => mend(node)).observe(node, { childList: true, subtree: true })
  const library = (globalThis as unknown as { SwaggerUIBundle: Library }).SwaggerUIBundle // its script sets it
  const read = inlined(await (await fetch('/openapi.json')).text())
  library({
    spec: filledIn(read, node.dataset['workspace'] ?? ''),
    domNode: node,
    plugins: [layout, resolved],
    layout: 'ReferenceLayout',
    // Its links would stand within buttons, which no keyboard reaches.
    deepLinking: false,
    docExpansion: 'none',
    defaultModelsExpandDepth: -1,
    filter: true,
    tryItOutEnabled: true,
    // Nothing of another host.
    validatorUrl: null,
    requestInterceptor: signed,
  })
}

/** The library has a dark side of its own. */
const dark = matchMedia('(prefers-color-scheme: dark)')
const darken = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', darken)
darken()

if (place !== null) void show(place)

export {}
