import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider'
import { OpenFeature as Server, type Client } from '@openfeature/server-sdk'
import { OpenFeature as Web, type Client as Page, type Provider } from '@openfeature/web-sdk'
import { call } from './api.ts'

const origin = 'https://coterie.test'

export type Fetching = (path: string, init: RequestInit) => Promise<Response>

const fetchingBy = (fetching: Fetching) => async (input: RequestInfo | URL) => {
  const request = new Request(input)
  const { method, headers } = request
  return fetching(request.url.replace(origin, ''), { method, headers, body: await request.text() })
}

/** The SDK of an application: its provider has this Worker's address and a token. */
export async function application(token: string, fetching: Fetching = call): Promise<Client> {
  const domain = crypto.randomUUID()
  const headers = { authorization: `Bearer ${token}` }
  await Server.setProviderAndWait(
    domain,
    new OFREPProvider({
      ...{ baseUrl: origin, headers, fetchImplementation: fetchingBy(fetching) },
    }),
  )
  return Server.getClient(domain)
}

/**
 * The SDK of a page that nobody is logged in to: it fetches all flags at log-in and log-out, and none at
 * each evaluation.
 */
export async function page(token: string): Promise<Page> {
  const provider = new OFREPWebProvider({
    baseUrl: origin,
    headers: [['authorization', `Bearer ${token}`]],
    fetchImplementation: fetchingBy(call),
    cacheMode: 'disabled',
  })
  await Web.clearContext()
  // Its types do not distinguish an optional member from an undefined one.
  await Web.setProviderAndWait(provider as Provider)
  return Web.getClient()
}
