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
  return document
}

async function show(node: HTMLElement): Promise<void> {
  const library = (globalThis as unknown as { SwaggerUIBundle: Library }).SwaggerUIBundle // its script sets it
  const read = await (await fetch('/openapi.json')).json()
  library({
    spec: filledIn(read as Document, node.dataset['workspace'] ?? ''), // as this host says
    domNode: node,
    deepLinking: true,
    docExpansion: 'none',
    defaultModelsExpandDepth: -1,
    filter: true,
    tryItOutEnabled: true,
    // Nothing of another host.
    validatorUrl: null,
    requestInterceptor: signed,
  })
}

if (place !== null) void show(place)

export {}
