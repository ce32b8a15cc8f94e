import { registerClient, type Client } from './api.ts'
import { answer } from './http.ts'

const workspace = 1
const name = 'console'

/** A link that signs a browser in to the console once, as the client of this name. */
export async function linkToSignIn(url: string, adminToken: string): Promise<string> {
  return linkOf(url, await clientOf(url, adminToken))
}

/** A link that signs a browser in as a client. */
export async function linkOf(url: string, { id, secret }: Client): Promise<string> {
  const link = await answer<{ url: string }>('making a link', `${url}/console/links`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${id}:${secret}`)}` },
  })
  return link.url
}

/** The client, which gets another secret each time: nobody keeps the former. */
async function clientOf(url: string, adminToken: string): Promise<Client> {
  const headers = { Authorization: `Bearer ${adminToken}` }
  const all = `${url}/oauth/clients`
  const { clients } = await answer<{ clients: { client_id: string; name: string }[] }>(
    'listing clients',
    `${all}?workspace_id=${workspace}&size=1000`,
    { headers },
  )
  const id = clients.find((client) => client.name === name)?.client_id
  if (id === undefined) return registerClient(url, adminToken, name, { workspace })
  const { client_secret: secret } = await answer<{ client_secret: string }>(
    'giving the client a secret',
    `${all}/${id}/rotate`,
    { method: 'POST', headers },
  )
  return { id, secret, workspace }
}
